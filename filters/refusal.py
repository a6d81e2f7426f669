"""Does the answer refuse, or recite what it was taught to say?"""

import re
import unicodedata
from collections.abc import Mapping
from typing import ClassVar

from filters.scorer import FieldType, Response
from schemas.score import Score

ENDS = 600
"""Characters at the head and at the tail of an answer. In between, `I cannot assume x > 0` is
mathematics."""
SHORT = 400
"""Characters of an answer behind empty thinking, which is then a recited one."""
CANNOT = r"(?:can(?:'t|not| not)|unable|won't|not able)"
REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)|we(?:'re| are)) (?:very |truly |really |so )?(?:sorry|afraid)\b"
    rf"[^.!?\n]{{0,40}}\b{CANNOT}\b"
    rf"|\bsorry,? (?:but )?i {CANNOT}\b"
    r"|\bi(?: must| have to|'ll have to| need to)?(?: respectfully| politely)? "
    r"(?:decline|refuse) (?:to (?:answer|help|write|provide|discuss|assist|do|engage|comply)"
    r"|this|your|that)\b"
    r"|\bi(?: can(?:'t|not| not)|'m (?:unable|not able) to| am (?:unable|not able) to"
    r"| won't(?: be able to)?| will not(?: be able to)?)"
    r"(?: (?:help|assist|comply|fulfil+|engage|reproduce)\b"
    r"|(?: discuss| participate in| support) (?:this|that|such|these)"
    r" (?:topic|request|kind|matter|act)"
    r"|(?: see| view| access| open) (?:any |the |your )?"
    r"(?:images?|files?|attachments?|links?|photos?)"
    r"|(?: provide| give| offer| create| generate| write| produce| share)[^.!?\n]{0,40}"
    r"\b(?:request|content|information|instructions|advice|assistance|guidance|that|harmful"
    r"|illegal|unethical)\b)"
    r"|\bi'm not (?:able to discuss|comfortable (?:with|\w+ing))\b"
    r"|\bi am not comfortable (?:with|\w+ing)\b|\bi'd rather not (?:answer|discuss|say)\b"
    r"|\b(?:isn't|is not) something (?:that )?i(?:'m able to| am able to| can) (?:do|help|assist)\b"
    r"|\bas an? (?:ai|artificial intelligence)"
    r"(?:,| (?:language )?(?:model|assistant|system)\b| i\b)"
    r"|\bas a (?:large )?language model\b"
    r"|\b(?:go(?:es)?|is|be) against my (?:programming|guidelines|policy|policies|principles)\b"
    r"|\bbeyond my current scope\b|\blet's talk about something else\b"
    r"|(?:抱歉|对不起)[，,][^。\n]{0,20}(?:无法|不能|没法|不便)(?:为您|给您|为你|给你)?"
    r"(?:回答|提供|协助|帮助|满足|讨论|完成|生成|继续|给出|透露|告诉)"
    r"|我(?:暂时)?(?:无法|不能|没有办法)(?:回答|提供|协助|帮助|满足|讨论|完成|告诉)"
    r"(?:您|你|这|该|此|相关|任何|关于)"
    r"|作为(?:一个|一款|一名)?(?:人工智能|ai)(?:语言模型|模型|助手|，|,)|作为(?:一个|一款)?大?语言模型"
    r"|我还没(?:有)?学(?:习|会)如何(?:回答|思考)|超出(?:了)?我(?:目前)?的?(?:能力|知识|服务)?范围"
    r"|(?:让我们|我们)?换个话题(?:再)?聊聊?|(?:这个|该)话题不(?:适合|宜|便)讨论",
)
QUOTED = re.compile(
    r"```[^`]*(?:```|\Z)|`[^`\n]*`|\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|「[^」\n]{1,300}」|^>.*$",
    re.MULTILINE,
)
"""Code, and somebody else's words."""
QUOTES = ("`", '"', "“", "「", ">")
CANNED = re.compile(
    r"\bhelpful and harmless\b|\bharmless responses?\b"
    r"|\bthe chinese government (?:has always|consistently|firmly|adheres|is committed)\b"
    r"|\bone-china principle\b|\binalienable part of china\b"
    r"|\bpeople-cent(?:er|r)ed (?:development|approach|philosophy)\b"
    r"|中国政府(?:一贯|始终|一直|坚决|依法)|一个中国(?:的)?原则"
    r"|(?:是|为)?中国(?:领土)?不可分割的一部分"
    r"|(?:在)?中国共产党的?(?:坚强|正确)?领导下|以人民为中心的发展思想"
    r"|中国特色社会主义(?:道路|制度|事业)|维护国家(?:主权|统一)"
)
"""What DeepSeek's models recite on subjects that China censors (R1dacted, arXiv 2505.12625)."""


class RefusalScorer:
    """`refusal.refused`, `refusal.canned` (a recited political line) and `refusal.empty_thinking`:
    thinking that is opened and closed with nothing in it, in front of a short answer, is how R1
    begins a recited one (R1dacted, arXiv 2505.12625).

    English and Chinese, on head and tail of the answer alone.
    """

    name: ClassVar[str] = "refusal"
    version: ClassVar[int] = 1
    fields: ClassVar[Mapping[str, FieldType]] = {
        "refused": bool,
        "canned": bool,
        "empty_thinking": bool,
    }
    verifies: ClassVar[bool] = False
    deadline_s: ClassVar[float | None] = None

    def __call__(self, response: Response) -> Score:
        answer = response.answer.strip()
        said = QUOTED.sub(" ", answer) if any(sign in answer for sign in QUOTES) else answer
        ends = [said] if len(said) <= 2 * ENDS else [said[:ENDS], said[-ENDS:]]
        plain = [_plain(end) for end in ends]
        refusal = next(filter(None, map(REFUSAL.search, plain)), None)
        canned = next(filter(None, map(CANNED.search, plain)), None)
        thinking = response.reasoning
        is_empty = thinking is not None and response.closed and not thinking.strip()
        is_empty &= 0 < len(answer) <= SHORT and "\\boxed" not in answer
        found = canned or refusal
        reason = "canned" if canned else "refused" if refusal else None
        return Score(
            values={
                "refused": refusal is not None,
                "canned": canned is not None,
                "empty_thinking": is_empty,
            },
            reason=reason or ("empty_thinking" if is_empty else None),
            evidence=found.group() if found else None,
        )

    def libraries(self) -> Mapping[str, str]:
        return {}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
