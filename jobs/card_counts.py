"""The parts of a card that are counts: where samples went, what was lost, what it cost."""

from collections.abc import Iterator, Mapping
from typing import Any

from filters.choose import PUBLISHED
from filters.survivorship import UNKNOWN, measured, middle
from jobs.markdown import plain, table
from schemas.manifest import Manifest


def funnel(manifest: Manifest) -> str:
    """Every sample's fate."""
    samples = sum(manifest.funnel.values())
    rows = [
        (plain(fate), f"{count:,}", _share(count, samples))
        for fate, count in manifest.funnel.items()
    ]
    target = ""
    if manifest.target is not None:
        wanted = manifest.recipe["target"]["published"]
        target = f" The target of {wanted:,} rows was {manifest.target}."
    return (
        f"{table(('fate', 'samples', 'share'), rows)}\n\n"
        "A fate is the rule, or the step, that a sample did not pass. "
        f"{manifest.unsettled:,} prompts could still get more samples under this recipe.{target}"
    )


def report(facts: Mapping[str, Any]) -> str:
    """A report by name, as of a mix or of splits: a table, after what holds for all of it."""
    lines, tables = [], []
    own = {name: value for name, value in facts.items() if _is_row(value)}
    if own:
        tables.append(own)
    for name, value in facts.items():
        if isinstance(value, Mapping) and name not in own:
            tables.append(dict(value))
        elif name not in own:
            lines.append(f"- {_words(name)}: {_cell(name, value)}")
    parts = ["\n".join(lines), *(_facts_table(one) for one in tables)]
    return "\n\n".join(filter(None, parts))


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(isinstance(v, Mapping) for v in value.values())


def _facts_table(rows: Mapping[str, Any]) -> str:
    columns = [*dict.fromkeys(name for row in rows.values() for name in row)]
    return table(
        ("", *map(_words, columns)),
        [
            (plain(name), *(_cell(column, row.get(column)) for column in columns))
            for name, row in rows.items()
        ],
    )


def _words(name: str) -> str:
    return plain(name.replace("_", " "))


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and "share" in column:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int | float) else plain(value)


def survivorship(manifest: Manifest) -> str:
    """What difficulty, length and origin was lost."""
    counts = manifest.survivorship
    if not counts:
        return (
            "What was lost was not counted for this version. Prompts without a kept sample are not "
            "in here, so that easy ones weigh more than they did among the prompts."
        )
    if not manifest.rows.get("sft"):
        return next(_difficulty(counts)) + " What became of them by choosing is not counted."
    lengths = counts.get("tokens", {})
    parts = [
        " ".join(_difficulty(counts)),
        _by_pass_rate(counts.get("pass_rate", {})),
        _length(manifest, lengths),
        _by_length(lengths),
        *(_by_origin(origin, counts.get(origin, {})) for origin in ("source", "domain")),
    ]
    return "\n\n".join(filter(None, parts))


def _difficulty(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[str]:
    solved = measured(counts.get("solved", {}), "prompts")
    prompts = sum(solved.values())
    never = solved.get("no", 0)
    yield (
        f"Of {prompts:,} prompts with samples {solved.get('yes', 0):,} have a right one, "
        f"{never:,} ({_share(never, prompts)}) have samples that were judged and none that is "
        f"right, and of {solved.get(UNKNOWN, 0):,} no sample was judged."
    )
    rates = counts.get("pass_rate", {})
    drawn, published = measured(rates, "prompts"), measured(rates, "prompts_published")
    if judged := sum(drawn.values()) - drawn.get(UNKNOWN, 0):
        left = sum(published.values()) - published.get(UNKNOWN, 0)
        yield (
            "Of those with a pass rate, prompts that the teacher always solved were "
            f"{_share(drawn.get('always', 0), judged)} before the choice and are "
            f"{_share(published.get('always', 0), left)} of the published ones; prompts that it "
            f"solved at most half of the time were {_share(_hard(drawn), judged)} and are "
            f"{_share(_hard(published), left)}."
        )


def _hard(prompts: Mapping[str, int]) -> int:
    return sum(prompts.get(name, 0) for name in ("never", "up_to_1/4", "up_to_1/2"))


def _by_pass_rate(rates: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (_words(name), *_kept(row, "prompts", "prompts_published")) for name, row in rates.items()
    ]
    return table(("pass rate of the probe", "prompts", "published", "kept"), rows) if rows else ""


def _length(manifest: Manifest, lengths: Mapping[str, Mapping[str, int]]) -> str:
    finished = middle(measured(lengths, "finished"))
    if finished is None:
        return "How long samples are is not known."
    published = middle(measured(lengths, "published"))
    most = manifest.recipe["sampling"]["max_tokens"]
    return (
        "Samples that the model finished have a median length (thinking and answer) of "
        f"{_tokens(finished)}, the published ones of {_tokens(published)}. Samples that reached "
        f"{most:,} tokens were cut, and longer thinking than that is not in here."
    )


def _tokens(name: str | None) -> str:
    if name is None:
        return "unknown length"
    return f"{_range(name)} tokens"


def _range(name: str) -> str:
    if name in ("0", "1", UNKNOWN):
        return name
    return f"{int(name):,} to {2 * int(name) - 1:,}"


def _by_length(lengths: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(_range(name), *_kept(row, "finished", "published")) for name, row in lengths.items()]
    return table(("tokens", "finished samples", "published", "kept"), rows) if rows else ""


def _by_origin(origin: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (
            plain(name) or "not named",
            f"{row.get('prompts', 0):,}",
            f"{row.get('prompts_published', 0):,}",
            *_kept(row, "samples", "samples_published"),
            f"{row.get('tokens', 0):,}",
            f"{row.get('tokens_published', 0):,}",
        )
        for name, row in counts.items()
    ]
    header = ("prompts", "published", "samples", "published", "kept", "tokens", "published")
    return table((origin, *header), rows) if rows else ""


def _kept(row: Mapping[str, int], before: str, after: str) -> tuple[str, str, str]:
    had, has = row.get(before, 0), row.get(after, 0)
    return f"{had:,}", f"{has:,}", _share(has, had)


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "-"


def cost(manifest: Manifest) -> str:
    """Tokens of the version, and what has been spent."""
    made = manifest.provenance
    lines = []
    if "tokens" in made:
        published_tokens = made.get("tokens_published", 0)
        lines.append(
            f"The samples that this version was chosen from have {made['tokens']:,} generated "
            "tokens" + (f", the published ones {published_tokens:,}." if published_tokens else ".")
        )
    spent: Mapping[str, float | None] = made.get("cost") or {}
    if not spent:
        return " ".join([*lines, "What it cost was not recorded."])
    lines.append(
        "Spent since the pool began, by all attempts of this recipe and also for samples that were "
        "cancelled or lost (not what other recipes on the same pool have spent):"
    )
    published = manifest.funnel.get(PUBLISHED, 0)
    names = {"tokens": "tokens", "gpu_hours": "GPU-hours", "usd": "US dollars"}
    rows = [
        (label, _amount(spent[name]), _amount(_each(spent[name], published)))
        for name, label in names.items()
        if name in spent
    ]
    price = manifest.recipe.get("price", {}).get("gpu_hour")
    told = "No price was given." if price is None else f"A GPU-hour was counted as {price:g} USD."
    return f"{' '.join(lines)}\n\n{table(('', 'spent', 'a published sample'), rows)}\n\n{told}"


def _each(amount: float | None, samples: int) -> float | None:
    return amount / samples if amount is not None and samples else None


def _amount(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
