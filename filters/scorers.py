"""All scorers by name, and which of them a recipe asks for."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from filters.choice import ChoiceScorer
from filters.code_answer import CodeScorer
from filters.control import ControlScorer
from filters.exact_match import ExactMatchScorer
from filters.format import FormatScorer
from filters.language import LanguageScorer
from filters.leaked_text import LeaksScorer
from filters.math_answer import MathScorer
from filters.pii import PiiScorer
from filters.procedural import ProceduralScorer
from filters.refusal import RefusalScorer
from filters.repetition import RepetitionScorer
from filters.scorer import NeedsQuestions, Questions, Response, Scorer
from filters.signature import SignatureScorer
from schemas.errors import RecipeError

SCORERS: dict[str, type[Scorer]] = {
    scorer.name: scorer
    for scorer in (
        ChoiceScorer,
        CodeScorer,
        ControlScorer,
        ExactMatchScorer,
        FormatScorer,
        LanguageScorer,
        LeaksScorer,
        MathScorer,
        PiiScorer,
        ProceduralScorer,
        RefusalScorer,
        RepetitionScorer,
        SignatureScorer,
    )
}
EVERY_DOMAIN = "*"


def build_scorers(
    names: Iterable[str], questions: Callable[[], Questions] | None = None
) -> dict[str, Scorer]:
    """The scorers of these names, once each, with how to read the `questions` of evaluation sets;
    RecipeError for a name that is none, or if one compares with questions and there are none."""
    scorers = {name: _known(name)() for name in sorted(set(names))}
    for name, scorer in scorers.items():
        if isinstance(scorer, NeedsQuestions):
            if questions is None:
                raise RecipeError(
                    f"scorers: {name} finds questions of evaluation sets in what the teacher "
                    "wrote; name the sets in `decontaminate` (annotate: with --evaluation)"
                )
            scorer.compare_with(questions)
    return scorers


def warm_scorer(name: str) -> Scorer:
    """A scorer that has loaded its libraries, so that no sample pays for that with its deadline."""
    scorer = SCORERS[name]()
    scorer(Response("", None, r"\boxed{\frac{1}{2}}", "stop", reference="0.5"))
    return scorer


def _known(name: str) -> type[Scorer]:
    if name not in SCORERS:
        near = get_close_matches(name, SCORERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"scorers: unknown scorer {name!r}{hint} Known: {', '.join(SCORERS)}")
    return SCORERS[name]


def scorers_of(by_domain: Mapping[str, tuple[str, ...]], domain: str) -> tuple[str, ...]:
    """Names of the scorers that judge a prompt of `domain`, sorted."""
    return tuple(sorted({*by_domain.get(domain, ()), *by_domain.get(EVERY_DOMAIN, ())}))
