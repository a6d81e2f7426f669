"""One spelling for what is written in many: a final answer in LaTeX, Unicode or plain text.

What is left is LaTeX without layout: `½` and `\\dfrac12` both become `\\frac{1}{2}`.
"""

import re
import unicodedata

FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5",
    "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8",
    "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
SYMBOLS = {
    "∞": r"\infty ", "π": r"\pi ", "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "÷": "/",
    "−": "-", "–": "-", "—": "-", "±": r"\pm ", "∓": r"\mp ", "≤": r"\le ", "≥": r"\ge ",
    "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≡": r"\equiv ", "≈": r"\approx ", "∪": r"\cup ",
    "∩": r"\cap ", "∅": r"\emptyset ", "∈": r"\in ", "°": r"^\circ ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ",
    "平方": " square ", "立方": " cubic ", "或": " or ", "和": " and ", "且": " and ", "、": ", ",
    "λ": r"\lambda ", "⟨": r"\langle ", "⟩": r"\rangle ", "′": "'", "∣": "|", "∖": r"\setminus ",
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
NAMES = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\leq": r"\le", r"\geq": r"\ge",
    r"\leqslant": r"\le", r"\geqslant": r"\ge", r"\neq": r"\ne", r"\varnothing": r"\emptyset",
    r"\lbrace": r"\{", r"\rbrace": r"\}", r"\lvert": "|", r"\rvert": "|", r"\vert": "|",
    r"\mid": "|", r"\colon": ":", r"\degree": r"^\circ", r"\ast": "*", r"\lor": r"\text{ or }",
    r"\vee": r"\text{ or }", r"\land": r"\text{ and }", r"\wedge": r"\text{ and }", r"\gt": ">",
    r"\lt": "<", r"\div": "/",
}  # fmt: skip
LAYOUT = re.compile(
    r"\\(?:(?:left|right|big|Big|bigg|Bigg|bigl|bigr|Bigl|Bigr|biggl|biggr|displaystyle|textstyle"
    r"|limits|nolimits|mathstrut|strut|quad|qquad|thinspace)(?![a-zA-Z])\.?|[,!;:>])"
)
FONTS = re.compile(
    r"\\(?:mathrm|mathbf|mathit|mathsf|mathtt|mathcal|boldsymbol|bm|textbf|textit|textrm|mbox|hbox"
    r"|operatorname\*?|emph|underline|textnormal|texttt)\s*(?=\{)"
)
NUMBER_WORDS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "half": "1/2", "one half": "1/2", "one third": "1/3", "two thirds": "2/3",
    "one quarter": "1/4", "one fourth": "1/4", "three quarters": "3/4", "three fourths": "3/4",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
NOTHING = re.compile(
    r"(?:there (?:is|are) )?no (?:real |such |integer )?(?:solutions?|roots?|values?|numbers?)"
    r"(?: exists?)?|(?:the )?empty set|none",
    re.IGNORECASE,
)
TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
COMMAND = re.compile(r"\\[a-zA-Z]+")


def normal(text: str) -> str:
    """The answer without layout, fonts and spelling; no judgement about what it means."""
    text = _unicode(text).strip()
    text = re.sub(r"\\[\(\)\[\]]|(?<!\\)\$\$?", "", text)
    text = re.sub(r",\s*\\!\s*", ",", text)  # how MATH groups digits
    text = LAYOUT.sub(" ", text).replace("~", " ")
    text = re.sub(r"(?<!\\)\\ ", " ", text)
    text = COMMAND.sub(lambda match: NAMES.get(match.group(), match.group()), text)
    text = FONTS.sub(r"\\text", text)
    text = _one_letter_texts(text)
    text = _without_decoration(text)
    text = re.sub(r"^(?:the )?(?:final |correct )?answer\s*(?:is|:)\s*", "", text, flags=re.I)
    text = re.sub(r"(\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(\d)", r"\1:\2", text)
    text = _braced_arguments(text)
    text = re.sub(r"(?:\\text\s*\{\s*)?\binfinity\b(?:\s*\})?", r"\\infty", text)
    text = re.sub(r"\\\{\s*\\\}", r"\\emptyset", text)
    text = r"\emptyset" if NOTHING.fullmatch(TEXT.sub(r"\1", text).strip(" .")) else text
    text = NUMBER_WORDS.get(TEXT.sub(r"\1", text).strip().casefold(), text)
    text = text.replace("**", "^") if re.search(r"[0-9a-z)]\*\*[0-9a-z(]", text) else text
    text = re.sub(r"\s+", " ", text.replace("**", " ")).strip()
    text = re.sub(r"[\s.,;]+$", "", text) if len(text) > 1 else text
    return text[1:-1].strip() if _is_one_group(text) else text


def _is_one_group(text: str) -> bool:
    """`{1, 2}`, whose braces TeX does not show."""
    if not (text.startswith("{") and text.endswith("}")):
        return False
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return place == len(text) - 1
    return False


def _unicode(text: str) -> str:
    if text.isascii():
        return text
    for sign, fraction in FRACTIONS.items():
        text = re.sub(rf"(?<=\d)\s*{sign}", f" {fraction}", text).replace(sign, fraction)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: f"^{{{m.group().translate(SUPERSCRIPTS)}}}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉]+", lambda m: f"_{{{m.group().translate(SUBSCRIPTS)}}}", text)
    text = re.sub(r"√\s*(\d+|[a-zA-Z]|\([^()]*\))", lambda m: _root(m.group(1)), text)
    for sign, latex in SYMBOLS.items():
        text = text.replace(sign, latex)
    return unicodedata.normalize("NFKC", text)


def _root(radicand: str) -> str:
    inner = radicand[1:-1] if radicand.startswith("(") else radicand
    return rf"\sqrt{{{inner}}}"


def _without_decoration(text: str) -> str:
    """Boxes in boxes, lines over names of segments, colons in braces."""
    if match := re.fullmatch(r"\\(?:boxed|fbox)\s*\{(.*)\}", text.strip(), re.DOTALL):
        text = match[1]
    text = re.sub(
        r"[\[(]?\s*\\begin\{array\}\s*\{[^{}]*\}(.*?)\\end\{array\}\s*[\])]?",
        r"\\begin{pmatrix}\1\\end{pmatrix}",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r"\\(?:overline|overrightarrow|vec|widehat)\s*\{([A-Z]+)\}", r"\1", text)
    text = re.sub(r"\\(?:vec|hat|mathbf)\s*\{([a-zA-Z])\}", r"\1", text)
    if (match := TEXT.fullmatch(text.strip())) and match[1].strip()[:1].isdigit():
        text = match[1]
    text = re.sub(r"(?<![a-zA-Z\\])C\(\s*(\d+)\s*,\s*(\d+)\s*\)", r"\\binom{\1}{\2}", text)
    return text.replace("{:}", ":").replace("{/}", "/")


def _one_letter_texts(text: str) -> str:
    """`\\mathrm{e}` is a letter, `\\text{cm}` a word."""
    text = re.sub(r"\\text\s*\{([^a-zA-Z{}]*)\}", r"\1", text)
    return re.sub(r"\\text\s*\{([a-zA-Z])\}", r"\1 ", text)


def _braced_arguments(text: str) -> str:
    """`\\frac12` as `\\frac{1}{2}`, `\\sqrt2` as `\\sqrt{2}`, `x^2` as `x^{2}`."""
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{", text)
    text = re.sub(r"(\\frac\s*\{[^{}]*\})\s*(\d|[a-z])(?![a-z])", r"\1{\2}", text)
    text = re.sub(r"\\sqrt\s*(\d|[a-zA-Z](?![a-zA-Z]))", r"\\sqrt{\1}", text)
    text = re.sub(r"\bsqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    text = re.sub(r"\^\s*(\d|[a-zA-Z](?![a-zA-Z]))", r"^{\1}", text)
    return re.sub(r"_\s*(\d+|[a-zA-Z](?![a-zA-Z]))", r"_{\1}", text)


def words(text: str) -> str:
    """A text answer as plain lower-case words."""
    plain = TEXT.sub(r" \1 ", normal(text))
    plain = re.sub(r"[\s.,;:!?\"'“”‘’{}]+", " ", plain).strip().casefold()
    return re.sub(
        r"^(?:(?:it is|they are|he is|she is|the answer is) )?(?:(?:an?|the) )?", "", plain
    )
