"""Does the answer hold what a chat template, or a model that reads it, would take for control?"""

import re
import unicodedata
from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.score import Score

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
"""Characters that nobody sees: no width, direction, variants, tags."""
HIDDEN = re.compile(
    "[\u034f\u115f\u1160\u180e\u200b\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
    "|(?<=[!-~])[\u200c\u200d\ufe00-\ufe0f](?=[!-~])"
)
"""Those that have no business in a text. Emoji, Persian and Hindi need joiners and variants."""
QUOTED = re.compile(r'"[^"\n]{1,300}"|“[^”\n]{1,300}”|「[^」\n]{1,300}」|`[^`\n]{1,300}`')
"""Somebody else's words."""
LOOKALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухѵԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυ∣│┃⎸ǀ‹›〈〉⟨⟩〈〉ı",
    "ABESIJKMHOPCTYXaesijopcyxvdqwABEZHIKMNOPTYXaivopu|||||<><><><>i",
)
"""Letters and signs that look like others (Unicode TR 39), as far as control tokens have them."""
TOKEN = re.compile(
    r"<\|[a-z][\w▁\-: ]{1,40}\|>|\[\s*/?\s*inst\s*\]|<<\s*/?\s*sys\s*>>"
    r"|(?:\A|\n)\s{0,3}</?s>\s*(?:\n|\Z|\[)|<\s*/?\s*(?:bos|eos|pad|unk)\s*>"
    r"|<\s*(?:start|end)_of_(?:turn|image)\s*>|<fim_[a-z]+>|<unused\d+>|\[gmask\]|<sop>"
    r"|<\s*/?\s*(?:tool_call|tool_response|function_calls?|im_start|im_end)\s*>"
    r"|\[(?:/?available_tools|/?tool_results|tool_calls|/?system_prompt)\]"
    r"|\n\s{0,3}(?:\*\*)?human(?:\*\*)?:(?=[^:]{0,400}(?:assistant(?:\*\*)?:|\Z))"
    r"|</s>\s*(?:<s>|\Z)"
    r"|(?:\A|\n)\s{0,3}(?:\*\*)?(?:user|system)(?:\*\*)?\s*:\s*(?=\S).{0,200}\n\s{0,3}"
    r"(?:\*\*)?(?:user|assistant)(?:\*\*)?\s*:"
    r"|(?:\A|\n)\s{0,3}### (?:instruction|input|response):"
)
INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.!?\n]{0,30}"
    r"\b(?:previous|prior|above|earlier|preceding|all|any|your|system)\b[^.!?\n]{0,30}"
    r"\b(?:instructions?|prompts?|rules|guidelines|directions|training)\b"
    r"|\b(?:reveal|print|repeat|show|output|leak)\b[^.!?\n]{0,30}\b(?:your|the) (?:hidden |initial "
    r"|original )?system (?:prompt|message|instructions?)\b"
    r"|\b(?:disregard|ignore)\b[^.!?\n]{0,20}\b(?:rubric|criteria|grading)\b"
    r"|\bif you are an? (?:ai|llm|language model)\b[^.!?\n]{0,80}"
    r"\b(?:must|should|rate|give|grade)\b"
    r"|\byou are now (?:dan|in developer mode|an? (?:unrestricted|unfiltered|jailbroken))\b"
    r"|\b(?:new|updated) (?:system )?instructions?\s*:"
    r"|\b(?:do anything now|developer mode (?:enabled|on)|jailbreak mode)\b"
    r"|(?:忽略|无视|忘记|不要理会)[^。\n]{0,12}(?:之前|以上|前面|上述|先前|所有|系统)[^。\n]{0,12}"
    r"(?:指令|指示|提示|规则|要求|内容)"
    r"|(?:输出|显示|泄露|重复|告诉我)[^。\n]{0,10}(?:你的|系统)(?:的)?(?:系统)?提示词?"
)


class ControlScorer:
    """`control.tokens`: chat control tokens in the answer, which would break the template of
    whoever trains on it; `control.injections`: orders to whoever reads it; `control.hidden`:
    characters that nobody sees.

    Read as a person would: without hidden characters, in compatibility form (NFKC), with letters of
    other scripts for what they look like.
    """

    name: ClassVar[str] = "control"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {"tokens": int, "injections": int, "hidden": int}
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        text, hidden = _seen(response.answer)
        tokens = [match.group() for match in TOKEN.finditer(text)]
        said = QUOTED.sub(" ", text)
        injections = [match.group() for match in INJECTION.finditer(said)]
        found = tokens or injections
        reason = "control_token" if tokens else "injection" if injections else None
        return Score(
            values={"tokens": len(tokens), "injections": len(injections), "hidden": hidden},
            reason=reason or ("hidden_characters" if hidden else None),
            evidence=found[0].strip()[:100] if found else None,
        )

    def libraries(self) -> Mapping[str, str]:
        return {}


def _seen(text: str) -> tuple[str, int]:
    """What a reader sees, in lower case, and how many characters they do not."""
    if text.isascii():
        return text.lower(), 0
    hidden = len(HIDDEN.findall(text))
    text = INVISIBLE.sub("", text)
    return unicodedata.normalize("NFKC", text).translate(LOOKALIKES).lower(), hidden
