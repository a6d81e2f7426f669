"""How often scorers err, where that was measured. Told on the cards of versions."""

from typing import Final, NamedTuple

NOT_MEASURED: Final = "not measured"


class Measured(NamedTuple):
    """What is known of the errors of a scorer."""

    version: int
    """Of the scorer that it is known of."""
    fact: str
    """Plain text; the measurements are those of docs/benchmarks.md."""


def _of_texts(wrong: int, sound: int) -> str:
    return (
        f"labelled texts: 0 of {wrong} wrong ones accepted, 0 of {sound} sound ones rejected; the "
        "scorer was fitted to them"
    )


MEASURED: Final = {
    "choice": Measured(3, NOT_MEASURED),
    "code": Measured(
        3,
        "295 right programs with tests that were written blind, after mending: 253 right, 41 "
        "without a verdict, 1 wrong, and no wrong program right (at first sight 163, 21, 111, and "
        "3 wrong ones right); of 31 programs that cheat none is right",
    ),
    "control": Measured(1, _of_texts(195, 75)),
    "exact_match": Measured(3, NOT_MEASURED),
    "format": Measured(2, f"{NOT_MEASURED}; it reads tags and the engine's finish reason"),
    "language": Measured(2, _of_texts(167, 242)),
    "leaks": Measured(
        1,
        f"{_of_texts(124, 121)}. Questions written down as they are: at least 99.9 % found, with "
        "three words changed 86 %; of 7,473 GSM8K answers none flagged for other problems",
    ),
    "math": Measured(
        4,
        "839 labelled answers: 837 as labelled, no wrong one accepted; it was mended by most of "
        "them. On sets that it had not seen: 152 of 160 as labelled and 1 of 72 wrong ones "
        "accepted, 113 of 120 and 1 of 54",
    ),
    "pii": Measured(1, _of_texts(32, 82)),
    "procedural": Measured(
        1,
        f"{NOT_MEASURED} on answers of models; a task of reasoning-gym is used if it accepts its "
        "own right answers and rejects junk",
    ),
    "refusal": Measured(1, _of_texts(65, 100)),
    "repetition": Measured(2, _of_texts(140, 100)),
    "signature": Measured(1, f"{NOT_MEASURED}; it says who may be alike, and texts decide"),
}
"""By the name of the scorer. A scorer that gets a new version is measured again, or said not to
be."""
OF_TEXTS: Final = frozenset(["control", "language", "pii", "refusal", "repetition"])
AT_FIRST_SIGHT: Final = (
    "Of 230 texts by somebody who did not know them, scorers of text accepted 20 wrong ones, "
    "rejected 19 sound ones and gave two wrong reasons at first sight, before they were mended."
)
"""Of `OF_TEXTS`: their numbers say what they know, not what they will meet."""


def measured_errors(name: str, version: int | None) -> str:
    """What is known of a scorer's errors in this version, which is null where nobody wrote it
    down."""
    if name not in MEASURED:
        return NOT_MEASURED
    known = MEASURED[name]
    if version == known.version or known.fact == NOT_MEASURED:
        return known.fact
    return f"of version {known.version}: {known.fact}"
