"""What the recipe of `init` says: what fits the prompts, as YAML that teaches its fields."""

import re
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from infra.rows import Row
from jobs.init_columns import LETTER, NUMBERS, TASK, TESTS, WORDS, Columns, prompt_text
from jobs.plain import plain

MAX_TOKENS: Final = 32768
"""DeepSeek's own advice for R1 and its distillations."""
LONG_PROMPT: Final = 8000
"""Characters: about the 2,048 tokens that the context has beside `MAX_TOKENS`."""
FORMULAS: Final = re.compile(r"\\boxed|\\frac|\\sqrt|\\\(|\$[^$\n]*[\d\\=^][^$\n]*\$")
PLAIN_SCALAR: Final = re.compile(r"(?:\.{0,2}/)?[A-Za-z_][A-Za-z0-9_./-]*")
"""What starts with a digit may be read as a number or a date, or be none: `2001-99-99` raises."""
COMMENT_WIDTH: Final = 98
SAID: Final = 10
"""Licences and sources that are named."""


class Domain(NamedTuple):
    """How prompts with a kind of reference are asked and judged."""

    name: str
    scorer: str
    """The verifier, or what reads final answers that vote."""
    asks: str = ""
    """What the template says behind the prompt."""
    said_by: str = ""
    """A prompt that has this in it says so already."""


BOXED: Final = "\\boxed"
DOMAINS: Final = {
    NUMBERS: Domain(
        "math",
        "math",
        "Please reason step by step, and put your final answer within \\boxed{}.",
        BOXED,
    ),
    LETTER: Domain(
        "exam",
        "choice",
        "Please reason step by step, and put the letter of your choice within \\boxed{}.",
        BOXED,
    ),
    WORDS: Domain(
        "trivia",
        "exact_match",
        "Please reason step by step, and put your final answer, in a few words, within \\boxed{}.",
        BOXED,
    ),
    TESTS: Domain(
        "code", "code", "Please write one Python program, in a ```python block.", "python"
    ),
    TASK: Domain("procedural", "procedural"),
}
"""By the kind of reference. Of mathematics DeepSeek advises these words."""
GENERAL: Final = Domain("general", "")


class Teacher(NamedTuple):
    """Who answers."""

    model: str
    kind: str
    """`hub`, `folder` or `simulated`."""
    revision: str | None = None
    context: int | None = None
    """Tokens, of a folder."""
    license: str | None = None


class Place(NamedTuple):
    """Where prompts come from, and where the dataset goes."""

    path: str
    looked_at: str
    """How much of it was read, in words."""
    source: str
    name: str
    store: str
    recipe: str
    """The file."""


@dataclass(frozen=True)
class Choices:
    """What the recipe says of these prompts."""

    place: Place
    teacher: Teacher
    columns: Columns
    domain: Domain
    template: str
    verified: bool
    votes: bool
    """Without a reference, whether the answer that most samples give stands in for it."""
    notes: Sequence[str]
    licenses: Sequence[str]
    sources: Sequence[str]
    """What columns of these names say."""

    @property
    def max_tokens(self) -> int:
        """Of a sample; no more than the model has room for."""
        return min(MAX_TOKENS, self.teacher.context or MAX_TOKENS)


def choices(place: Place, teacher: Teacher, columns: Columns, rows: Sequence[Row]) -> Choices:
    """Domain, template and rules that fit what was found in these rows."""
    reference = columns.reference
    prompts = [prompt_text(columns.prompt, row) for row in rows]
    are_formulas = sum(FORMULAS.search(text) is not None for text in prompts) >= len(rows) / 2
    kind = reference.kind if reference else NUMBERS if are_formulas else None
    domain = GENERAL if kind is None else DOMAINS[kind]
    notes = list(columns.notes)
    if (longest := max(map(len, prompts))) > LONG_PROMPT:
        notes.append(
            f"the longest prompt has {longest:,} characters; the model's context needs room for it "
            "beside sampling.max_tokens"
        )
    return Choices(
        place=place,
        teacher=teacher,
        columns=columns,
        domain=domain,
        template=_template(domain, prompts),
        verified=reference is not None,
        votes=reference is None and kind is not None,
        notes=notes,
        licenses=_said(("license", "licence"), columns.names, rows),
        sources=_said(("source", "data_source"), columns.names, rows),
    )


def recipe_text(chosen: Choices) -> str:
    """The recipe. What comes from the file or the command line is quoted: it is data."""
    return _recipe().render(
        place=chosen.place,
        teacher=chosen.teacher,
        columns=chosen.columns,
        domain=chosen.domain,
        is_simulated=chosen.teacher.kind == "simulated",
        chosen=chosen,
    )


@cache
def _recipe() -> Template:
    made = Environment(
        loader=PackageLoader("jobs", "."),
        autoescape=False,  # of markup; every value goes through one of the filters
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"scalar": scalar, "comment": comment}
    return made.get_template("recipe.yaml.jinja")


def scalar(text: str) -> str:
    """A text as YAML, in one line."""
    if PLAIN_SCALAR.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=sys.maxsize)
    return str(quoted).rstrip("\n")


def comment(text: str, indent: str = "") -> str:
    """A text as lines of a comment, behind their first `# `; no character of it ends one."""
    lines = textwrap.wrap(
        plain(" ".join(text.split())),
        COMMENT_WIDTH - len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f"\n{indent}# ".join(lines)


def _template(domain: Domain, prompts: Sequence[str]) -> str:
    said = sum(domain.said_by in text.casefold() for text in prompts)
    if not domain.asks or said >= len(prompts) / 2:
        return "{prompt}"
    return "{prompt}\n\n" + domain.asks.replace("{", "{{").replace("}", "}}")


def _said(titles: Sequence[str], names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The different texts in columns with one of these titles, the most usual first."""
    values = [row.values.get(name) for name in names if name.casefold() in titles for row in rows]
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    return [text for text, _ in Counter(texts).most_common(SAID)]
