"""What the rows of a version say, against what its recipe promises of its outputs.

A row group at a time, and of it the columns that a promise is about: as much as a writer of a part
had in memory. What is kept are the ids of labelled samples, as hashes of 8 bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from filters.scorers import EVERY_DOMAIN
from filters.votes import canonical
from infra.parquet import open_parquet, read_table
from infra.store import open_uri
from infra.version import Version
from schemas.choosing import Pairs
from schemas.manifest import File
from schemas.reasoning import CLOSE
from schemas.score import FALSE, TRUE

VERDICTS: Final = {"sft": "correct", "reward": "label", "raw": "correct"}
"""The column of an output that says what the verifier of the row has found."""
ANSWERED: Final = {"preference": ("chosen", "rejected"), "reward": ("completion",)}
"""Columns of assistants' messages that came to their end."""
LABELLED: Final = {
    "reward": (("id", "label"), pl.col("label")),
    "raw": (
        ("id", "correct", "finish_reason"),
        pl.when(pl.col("finish_reason") == "stop").then("correct"),
    ),
}
"""Outputs that have all samples of pairs: columns that tell whether they are right or wrong, null
where that is not said, or where they were truncated."""
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Promise:
    """What is true of every row of an output."""

    broken: str
    """What is said of the rows of which it is not."""
    columns: tuple[str, ...]
    """In which that is to be seen; fields of structs by their paths."""
    breaks: pl.Expr


def problems_of_content(
    version: Version, output: str, files: Sequence[File], show: Callable[[str], None]
) -> Iterator[str]:
    """Of each file of an output whose columns are the right ones: rows of which a promise is not
    true, how many, and the first."""
    promises = [*_of_verdicts(version, output, files)]
    if any("format" in names for names in version.manifest.recipe["scorers"].values()):
        promises += _of_messages(output)  # who else ends with a stop may have no answer
    if output == "reward" and "format" in _fields_of_scores(version, files, "complete"):
        whole = pl.col("scores").struct.field("format").struct.field("complete")
        unfinished = ~whole.fill_null(value=False)
        promises.append(Promise("are not complete", ("scores.format.complete",), unfinished))
    if output == "preference":
        promises += [*_of_pairs(version), *_of_labels(version)]
        yield from _in_two_pairs(version, files)
    for number, file in enumerate(files, 1):
        if promises:
            yield from _broken(version, file, promises)
            show(f"{output}: contents of {number:,} of {len(files):,} parts")


def _broken(version: Version, file: File, promises: Sequence[Promise]) -> Iterator[str]:
    names = sorted({"id", *(name for promise in promises for name in promise.columns)})
    counts, firsts = [0] * len(promises), [""] * len(promises)
    with open_parquet(version.uri(file)) as part:
        start = 0
        for group in range(part.num_row_groups):
            rows = pl.DataFrame(pl.from_arrow(part.read_row_group(group, names, use_threads=False)))
            for number, promise in enumerate(promises):
                found = rows.select("id", broken=promise.breaks).with_row_index("row", start)
                found = found.filter("broken")
                if found.height and not counts[number]:
                    firsts[number] = f"row {found['row'][0]} ({found['id'][0]})"
                counts[number] += found.height
            start += rows.height
    for promise, count, first in zip(promises, counts, firsts, strict=True):
        if count:
            yield f"{file.path}: {count:,} rows {promise.broken}; the first is {first}"


def _of_messages(output: str) -> Iterator[Promise]:
    for name in ANSWERED.get(output, ()):
        # As `filters.assistant` writes a sample whose thinking was all that there was room for.
        said = _content(name)
        cut = (said == "") | said.str.ends_with(f"\n{CLOSE}\n\n")
        yield Promise(f"have no answer in {name}", (name,), cut.fill_null(value=True))


def _content(name: str) -> pl.Expr:
    return pl.col(name).list.last().struct.field("content")


def _of_pairs(version: Version) -> Iterator[Promise]:
    """Of the samples of a pair to each other."""
    yield Promise(
        "have the same text on both sides",
        ("chosen", "rejected", "chosen_digest", "rejected_digest"),
        (_content("chosen") == _content("rejected"))
        | (pl.col("chosen_digest") == pl.col("rejected_digest")),
    )
    forms = [
        pl.col(f"{side}_answer").map_elements(canonical, return_dtype=pl.String)
        for side in ("chosen", "rejected")
    ]
    yield Promise(
        "have the same final answer on both sides",
        ("chosen_answer", "rejected_answer"),
        forms[0] == forms[1],
    )
    most = Pairs.model_validate(version.manifest.recipe["pairs"]).length_ratio
    lengths = ("chosen_tokens", "rejected_tokens")
    within = pl.max_horizontal(lengths) / pl.min_horizontal(lengths) <= most
    known = pl.all_horizontal((pl.col(name) > 0).fill_null(value=False) for name in lengths)
    yield Promise(
        f"have sides of which one is more than {most:g} times as long as the other, or of unknown "
        "length",
        lengths,
        ~(known & within),
    )


def _in_two_pairs(version: Version, files: Sequence[File]) -> Iterator[str]:
    hashes = [_samples_of_pairs(version, file)["id"].hash().to_numpy() for file in files]
    every = np.sort(np.concatenate(hashes))
    again = np.unique(every[1:][every[1:] == every[:-1]])
    if not len(again):
        return
    suspects = pl.concat(
        _samples_of_pairs(version, file)
        .filter(pl.Series(np.isin(own, again)))
        .with_columns(file=pl.lit(file.path))
        for file, own in zip(files, hashes, strict=True)
    )
    found = suspects.filter(pl.col("id").is_duplicated())
    if found.height:
        sample, row, path = found.row(0)
        yield (
            f"{path}: {found['id'].n_unique():,} samples are more than once in pairs; the first is "
            f"{sample}, of row {row}"
        )


def _samples_of_pairs(version: Version, file: File) -> pl.DataFrame:
    """The `id` of both sides of each row."""
    names = ["chosen_id", "rejected_id"]
    pairs = pl.DataFrame(pl.from_arrow(read_table(version.uri(file), names)))
    rows = pairs.with_row_index("row")
    return pl.concat(rows.select(pl.col(name).alias("id"), "row") for name in names).sort(
        "row", maintain_order=True
    )


def _of_labels(version: Version) -> Iterator[Promise]:
    """Of the samples of pairs, by what another output says of them."""
    output = next((name for name in LABELLED if name in version.manifest.rows), None)
    if output is None:
        return
    right, wrong = _labelled(version, output)
    for side, own, what in (("chosen", right, "right"), ("rejected", wrong, "wrong")):
        missing = pl.col(f"{side}_id").map_batches(_lacking(own), return_dtype=pl.Boolean)
        yield Promise(
            f"have a {side} sample that is not whole and {what} by {output}",
            (f"{side}_id",),
            missing,
        )


def _labelled(version: Version, output: str) -> tuple[Hashes, Hashes]:
    """Sorted hashes of the ids of right and of wrong samples."""
    columns, label = LABELLED[output]
    found: tuple[list[Hashes], list[Hashes]] = ([], [])
    for uri in version.files(output, None):
        rows = pl.DataFrame(pl.from_arrow(read_table(uri, columns)))
        for own, wanted in zip(found, (label, ~label), strict=True):
            own.append(rows.filter(wanted)["id"].hash().to_numpy())
    right, wrong = (np.sort(np.concatenate(own)) for own in found)
    return right, wrong


def _lacking(hashes: Hashes) -> Callable[[pl.Series], pl.Series]:
    """Whether an id is not among these."""

    def lacking(ids: pl.Series) -> pl.Series:
        own = ids.hash().to_numpy()
        first, behind = (np.searchsorted(hashes, own, side) for side in ("left", "right"))
        return pl.Series(first == behind)

    return lacking


def _of_verdicts(version: Version, output: str, files: Sequence[File]) -> Iterator[Promise]:
    """That a row is called what its own scores call it."""
    by_domain = version.manifest.recipe["scorers"]
    names = sorted({name for own in by_domain.values() for name in own})
    verifying = set(_fields_of_scores(version, files, "verdict")) & set(names)
    if output not in VERDICTS or not verifying:
        return
    found = [_verdict(name, by_domain) for name in names if name in verifying]
    said = pl.coalesce(found).replace_strict(
        {TRUE: True, FALSE: False}, default=None, return_dtype=pl.Boolean
    )
    column = VERDICTS[output]
    yield Promise(
        f"have a {column} that their scores do not give",
        ("domain", column, *(f"scores.{name}.verdict" for name in sorted(verifying))),
        pl.col(column).ne_missing(said),
    )


def _verdict(name: str, by_domain: dict[str, Any]) -> pl.Expr:
    """Of a verifier, where it is asked, and has told right from wrong."""
    domains = [domain for domain, own in by_domain.items() if name in own]
    asked = pl.lit(value=True) if EVERY_DOMAIN in domains else pl.col("domain").is_in(domains)
    verdict = pl.col("scores").struct.field(name).struct.field("verdict")
    return pl.when(asked & verdict.is_in([TRUE, FALSE])).then(verdict)


def _fields_of_scores(version: Version, files: Sequence[File], field: str) -> list[str]:
    """The scorers of the rows that have such a field."""
    if not files:
        return []
    with open_uri(version.uri(files[0])) as source:
        schema = pq.read_schema(source)
    if "scores" not in schema.names:
        return []
    scorers = schema.field("scores").type
    assert isinstance(scorers, pa.StructType)
    return [one.name for one in scorers if one.type.get_field_index(field) >= 0]
