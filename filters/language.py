"""Is the response written in the script of its prompt?"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.score import Score

NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|\$\$.*?\$\$|\$[^$\n]*\$|\\\[.*?\\\]|\\\(.*?\\\)|\\[A-Za-z]+|https?://\S+",
    re.DOTALL,
)
SCRIPTS = {
    "latin": r"[A-Za-zÀ-ɏ]+(?:['’-][A-Za-zÀ-ɏ]+)*",
    # Written without spaces: every character counts as a word, so that a Chinese sentence weighs
    # about as much as its English translation.
    "han": r"[㐀-䶿一-鿿豈-﫿]",
    "kana": r"[぀-ヿ]",
    "hangul": r"[가-힯]+",
    "cyrillic": r"[Ѐ-ӿ]+",
    "arabic": r"[؀-ۿ]+",
    "hebrew": r"[֐-׿]+",
    "devanagari": r"[ऀ-ॿ]+",
    "thai": r"[฀-๿]+",
}
WORD = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in SCRIPTS.items()))
LETTERS = 2
"""A single Latin letter is a variable, not a word; Greek is left out for the same reason."""


class LanguageScorer:
    """Share of words in the script that most of the prompt is written in.

    Formulas and code are stripped first. Null where there are no words to judge. It cannot tell
    two languages of one script apart. After the language-consistency reward of DeepSeek-R1
    (arXiv 2501.12948, section 2.3.2).
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"share": float, "script": str}
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        script = _main_script(response.prompt)
        words = _count_words(f"{response.reasoning or ''}\n{response.answer}")
        total = words.total()
        if script is None or total == 0:
            return Score(values={"share": None, "script": script}, reason="no_words")
        own = words[script] + (words["han"] if script == "kana" else 0)
        reason = None if own == total else "mixed_scripts"
        return Score(values={"share": own / total, "script": script}, reason=reason)

    def libraries(self) -> Mapping[str, str]:
        return {}


def _count_words(text: str) -> Counter[str]:
    """Words of each script, outside formulas and code."""
    counts: Counter[str] = Counter()
    for match in WORD.finditer(NOT_PROSE.sub(" ", text)):
        if match.lastgroup == "latin" and len(match.group()) < LETTERS:
            continue
        counts[str(match.lastgroup)] += 1
    return counts


def _main_script(text: str) -> str | None:
    counts = _count_words(text)
    if counts["kana"]:
        return "kana"  # Japanese mixes kana and Han; Chinese has no kana.
    # The name breaks ties, so that equal counts give the same script on every machine.
    return min(counts, key=lambda script: (-counts[script], script)) if counts else None
