"""Prompts that another prompt of the list makes needless, or doubtful.

Flags rest on all that a problem may hang on: its signs, brackets, numbers and case, and its
reference. `5!` is not `5`, a maze with one wall moved is another maze, and whoever changes the
numbers of a story asks something else, even if the answer is `yes` to both.
"""

from typing import Final

import numpy as np
import polars as pl

from filters.candidates import SetsOf
from filters.near_duplicates import Bands, clustered
from filters.votes import canonical
from filters.words import MULTIPLIER, Numbers, changed, is_ascii

NEAR: Final = "prompt.near_duplicate"
DUPLICATE_COLUMNS: Final[dict[str, pl.DataType]] = {
    "prompt.duplicate": pl.Boolean(),
    NEAR: pl.Boolean(),
    "prompt.conflicting_reference": pl.Boolean(),
}
SPOKEN: Final = r"[\p{L}\p{M}\p{N}]"
SPACE: Final = r"(?:[^\S ]\s*|\s{2,})"
"""All but one plain space, of which most texts have no other."""
SIGNS: Final = r"\p{Nd}+|[^\p{L}\p{M}\p{Nd}\s]"
ENDING: Final = r"""[.,;:?"'’”]+(\s|$)"""
"""Of sentences and parts of them."""


def same_texts(texts: pl.Series, references: pl.Series) -> pl.DataFrame:
    """`text`, the same for all that say it but for spaces and line breaks in prose, and
    `reference`, the same for all that are equal (`2` and `2.0`), null where there is none. Of
    references only those of texts that are there more than once are looked at so closely."""
    rows = pl.DataFrame({"text": _without_layout(texts), "reference": references})
    several = rows["text"].is_duplicated()
    answers = rows.filter(several)["reference"].drop_nulls().unique()
    forms = {answer: canonical(answer) for answer in answers}
    return rows.with_columns(
        reference=pl.when(several)
        .then(pl.col("reference").replace_strict(forms, default=None, return_dtype=pl.String()))
        .otherwise(pl.col("reference"))
    )


def _without_layout(texts: pl.Series) -> pl.Series:
    """Space among signs may be a drawing, and stays."""
    texts = changed(texts, ~is_ascii(texts), lambda own: own.str.normalize("NFC"))
    texts = texts.str.strip_chars("\r\n")
    texts = texts.str.replace_all(rf"({SPOKEN}){SPACE}", "$1 ")
    texts = texts.str.replace_all(rf"{SPACE}({SPOKEN})", " $1")
    return texts.str.replace(rf"^\s+({SPOKEN})", "$1").str.replace(rf"({SPOKEN}[.?!]?)\s+$", "$1")


def conflicting(same: pl.DataFrame) -> pl.Series:
    """Whether the same text stands elsewhere with another reference; all of them are told, since
    nobody can say which one is right."""
    apart = pl.col("reference").drop_nulls().n_unique().over("text") > 1
    return same.select(apart & pl.col("reference").is_not_null()).to_series()


def duplicates(same: pl.DataFrame) -> pl.Series:
    """Whether an earlier row has the same text and reference."""
    return ~same.select(pl.struct("text", "reference").is_first_distinct()).to_series()


def kinds(texts: pl.Series, references: pl.Series) -> Numbers:
    """A number for each reference and sequence of numbers and signs: only prompts of one kind may
    be near-duplicates of each other. Those without a reference are of a kind."""
    found = texts.str.replace_all(ENDING, "$1").str.extract_all(SIGNS).list.join(" ")
    rows = pl.DataFrame({"signs": found, "reference": references.fill_null("")})
    ranks = rows.select(pl.struct("signs", "reference").rank("dense")).to_series()
    return ranks.to_numpy().astype(np.uint64)


def apart_by_kind(keys: Bands, kinds: Numbers) -> Bands:
    """Bands of which rows of different kinds never have one in common."""
    return np.where(keys == 0, np.uint64(0), keys ^ (kinds * MULTIPLIER)[:, None])


def near_duplicates(keys: Bands, sets_of: SetsOf) -> pl.Series:
    """Whether a row says nearly what an earlier one of its kind says, or one that does. `keys` are
    `apart_by_kind`."""
    return pl.Series(clustered(keys, sets_of) != np.arange(len(keys)))
