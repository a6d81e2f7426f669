"""The running text of a response: without formulas, code, links and markup."""

import re

NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`|\$\$[^$]*\$\$|\$[^$\n]*\$"
    r"|\\\[(?:[^\\]|\\[^\[\]])*\\\]|\\\((?:[^\\]|\\[^()])*\\\)"
    r"|\\begin\{(\w+\*?)\}(?:[^\\]|\\(?!begin|end))*\\end\{\1\}|\\(?:begin|end)\{\w+\*?\}"
    r"|\\[A-Za-z]+|https?://\S+",
    re.DOTALL,
)
"""None looks for its end behind the next that begins: of a megabyte of `\\[`, each would look
through all of it."""
SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s|[。！？；\n]")
SCRIPTS = {
    "latin": r"[A-Za-zÀ-ɏ]{2,}",
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
LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]{2,}")
"""A single Latin letter is a variable, not a word; Greek is left out for the same reason."""
OTHER_SCRIPT = re.compile("[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯Ѐ-ӿ֐-׿؀-ۿऀ-ॿ฀-๿]")
"""Any but Latin."""
FOREIGN_RUN = re.compile(
    r"(?<![\"'“‘«「『(（*_\w])[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯Ѐ-ӿ֐-׿؀-ۿऀ-ॿ฀-๿]{2,}(?![\"'”’»」』)）*_])"
)
"""Of letters that are not Latin, neither quoted nor in brackets."""

Words = dict[str, list[str]]
"""By their script."""


def prose(text: str) -> str:
    """The text, with a space in place of what is no prose."""
    return NOT_PROSE.sub(" ", text)


def sentences(text: str) -> list[Words]:
    """The words of each sentence or line that has any; `text` is prose."""
    is_plain = OTHER_SCRIPT.search(text) is None
    found = []
    for sentence in SENTENCE_END.split(text):
        if is_plain or OTHER_SCRIPT.search(sentence) is None:
            latin = LATIN_WORD.findall(sentence)
            words: Words = {"latin": latin} if latin else {}
        else:
            words = _by_script(sentence)
        if words:
            found.append(words)
    return found


def _by_script(sentence: str) -> Words:
    words: Words = {}
    for match in WORD.finditer(sentence):
        words.setdefault(str(match.lastgroup), []).append(match.group())
    return words
