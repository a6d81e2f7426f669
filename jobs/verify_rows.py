"""The rows of a version against its manifest and its outputs' schemas: columns, keys, order; and
that they say what they should.

A part at a time, and of it the columns of the keys alone; what is kept of a row are three hashes of
8 bytes. A hash that comes twice is looked up, so that none of them is taken for a key.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, zip_longest
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from filters.choose import PUBLISHED
from filters.outputs import OUTPUTS
from infra.parquet import read_table
from infra.store import open_uri
from infra.version import Version, split_of
from jobs.verify_content import problems_of_content
from schemas.manifest import File, Manifest

MAKER: Final = "teacher_id"
CAPS: Final = {"sft": "choose", "preference": "pairs"}
"""Parts of the recipe whose `per_prompt` says how many rows of an output a prompt may have."""
NAMED: Final = 3
"""Of many that are alike, so many are named."""
Show = Callable[[str], None]


def problems_of_rows(version: Version, show: Show) -> Iterator[str]:
    """What is wrong with the rows of a version whose files are what its manifest says."""
    outputs = version.manifest.rows
    yield from _funnel_problems(version.manifest)
    in_splits: dict[str, list[Any]] = {}
    for output in outputs:
        files = [file for file in version.manifest.files if file.path.startswith(f"{output}/")]
        wrong = list(_schema_problems(version, output, files))
        yield from wrong
        if output in OUTPUTS and files and not wrong:
            keys = _Keys(version, output, files, show)
            yield from keys.problems()
            yield from problems_of_content(version, output, keys.files, show)
            for split, prompts in keys.prompts.items():
                in_splits.setdefault(split, []).extend(prompts)
            if output == next(iter(outputs)):
                yield from keys.wrong_number_of_prompts()
    yield from _in_two_splits(in_splits)


def _funnel_problems(manifest: Manifest) -> Iterator[str]:
    rows, told = manifest.rows.get("sft", 0), manifest.funnel.get(PUBLISHED, 0)
    if rows != told:
        yield f"manifest.json: its funnel says {told:,} published, and sft has {rows:,} rows"


def _in_two_splits(in_splits: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Of all outputs together."""
    hashes = {split: np.unique(np.concatenate(own)) for split, own in in_splits.items()}
    for one, other in combinations(sorted(hashes), 2):
        if count := len(np.intersect1d(hashes[one], hashes[other], assume_unique=True)):
            yield f"{count:,} prompts are in the splits {one} and {other}"


def _schema_problems(version: Version, output: str, files: Sequence[File]) -> Iterator[str]:
    """One and the same schema in all parts, and it is the output's."""
    schemas = [_schema(version, file) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        if not schema.equals(schemas[0]):
            difference = _difference(_arrow_columns(schema), _arrow_columns(schemas[0]))
            yield f"{file.path}: its columns are not those of {files[0].path}: {difference}"
    if output in OUTPUTS and schemas:
        # As Polars has them: what it writes is `large_string` where the schema says `string`.
        wanted = _polars_columns(_as_written(OUTPUTS[output].schema, schemas[0]))
        found = _polars_columns(schemas[0])[: len(wanted)]
        if found != wanted:
            difference = _difference(found, wanted)
            yield f"{files[0].path}: does not begin with the columns of {output}: {difference}"


def _as_written(wanted: pa.Schema, found: pa.Schema) -> pa.Schema:
    """Without the columns at its end that were added to it since the version was written."""
    names = [*wanted.names]
    while names and names[-1] not in found.names and wanted.field(names[-1]).nullable:
        names.pop()
    return pa.schema([wanted.field(name) for name in names])


def _schema(version: Version, file: File) -> pa.Schema:
    with open_uri(version.uri(file)) as source:
        return pq.read_schema(source).remove_metadata()


def _arrow_columns(schema: pa.Schema) -> list[str]:
    kinds = (f"{field.type}{'' if field.nullable else ', never null'}" for field in schema)
    return [f"{name} ({kind})" for name, kind in zip(schema.names, kinds, strict=True)]


def _polars_columns(schema: pa.Schema) -> list[str]:
    return [f"{name} ({kind})" for name, kind in pl.Schema(schema).items()]


def _difference(found: list[str], wanted: list[str]) -> str:
    """The first one, by place."""
    pairs = enumerate(zip_longest(found, wanted, fillvalue="missing"), 1)
    number, (own, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
    return f"column {number} is {own}, not {other}"


class _Keys:
    """The keys of all parts of an output, which are in order within each of its splits."""

    def __init__(self, version: Version, output: str, files: Sequence[File], show: Show) -> None:
        self._version = version
        self._output = output
        self._order = [*OUTPUTS[output].key]
        self._key = [*self._order, MAKER]
        self.files = sorted(files, key=lambda file: file.path)
        self._show = show
        self._ids: list[Any] = []
        self._keys: list[Any] = []
        self.prompts: dict[str, list[Any]] = {}
        """Of each split: hashes of the prompts of its parts."""
        self._last: pl.DataFrame | None = None
        self._split = ""

    def problems(self) -> Iterator[str]:
        """What is wrong with them."""
        for number, file in enumerate(self.files, 1):
            part = self._read(file)
            yield from self._nulls(file, part)
            yield from self._disorder(file, part)
            yield from self._beyond_cap(file, part)
            self._ids.append(part["id"].hash().to_numpy())
            self._keys.append(part.select(self._key).hash_rows().to_numpy())
            own = part["prompt_id"].unique().hash().to_numpy()
            self.prompts.setdefault(split_of(file), []).append(own)
            self._show(f"{self._output}: rows of {number:,} of {len(self.files):,} parts")
        yield from self._twice(["id"], self._ids)
        yield from self._twice(self._key, self._keys)

    def wrong_number_of_prompts(self) -> Iterator[str]:
        """As the manifest has it, of what `problems` has read."""
        own = [hashes for parts in self.prompts.values() for hashes in parts]
        prompts = len(np.unique(np.concatenate(own)))
        if prompts != self._version.manifest.prompts:
            yield (
                f"manifest.json: says that there are rows of {self._version.manifest.prompts:,} "
                f"prompts; they are of {prompts:,}"
            )

    def _read(self, file: File) -> pl.DataFrame:
        table = read_table(self._version.uri(file), ["id", *self._key])
        return pl.DataFrame(pl.from_arrow(table))

    def _nulls(self, file: File, part: pl.DataFrame) -> Iterator[str]:
        for name, count in part.null_count().row(0, named=True).items():
            if count:
                yield f"{file.path}: {count:,} rows have no {name}"

    def _beyond_cap(self, file: File, part: pl.DataFrame) -> Iterator[str]:
        """Prompts with more rows than the recipe lets them have. A prompt is in one part."""
        if self._output not in CAPS:
            return
        cap = self._version.manifest.recipe[CAPS[self._output]]["per_prompt"]
        found = part.group_by("prompt_id").len().filter(pl.col("len") > cap).sort("prompt_id")
        if found.height:
            prompt, rows = found.row(0)
            yield (
                f"{file.path}: {found.height:,} prompts have more than {cap} rows; the first is "
                f"{prompt}, with {rows}"
            )

    def _disorder(self, file: File, part: pl.DataFrame) -> Iterator[str]:
        """The first row that should stand before the one above it, which may be in the part
        before."""
        own = part.select(self._order)
        if self._split != split_of(file):
            self._split, self._last = split_of(file), None
        first = 0 if self._last is None else 1
        every = own if self._last is None else pl.concat([self._last, own])
        back, same = pl.lit(value=False), pl.lit(value=True)
        for name in self._order:
            column, above = pl.col(name), pl.col(name).shift(1)
            back, same = back | (same & (column < above)), same & (column == above)
        rows = every.with_row_index("row").filter(back)
        if rows.height:
            row, *key = rows.row(0)
            yield (
                f"{file.path}: {rows.height:,} rows are not in the order of "
                f"{' and '.join(self._order)}; the first is row {row - first} "
                f"({', '.join(map(str, key))})"
            )
        self._last = own.tail(1)

    def _twice(self, names: list[str], hashes: list[Any]) -> Iterator[str]:
        every = np.concatenate(hashes)
        every.sort()
        again = np.unique(every[1:][every[1:] == every[:-1]])
        if not len(again):
            return
        suspects = pl.concat(
            self._read(file).select(names).filter(pl.Series(np.isin(own, again)))
            for file, own in zip(self.files, hashes, strict=True)
        )
        found = suspects.group_by(names, maintain_order=True).len().filter(pl.col("len") > 1)
        if found.height:
            some = ["/".join(map(str, row[:-1])) for row in found.head(NAMED).iter_rows()]
            more = ", …" if found.height > NAMED else ""
            yield (
                f"{self._output}: {found.height:,} values of {', '.join(names)} come more than "
                f"once: {', '.join(some)}{more}"
            )
