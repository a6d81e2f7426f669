"""Texts that a model may write and that must stay texts."""

from jobs.report.report import Report
from tests.jobs.report.made_up import report_of

HACK = "window.hacked=1"
AWAY = "http://127.0.0.1:9"

TEXTS = {
    "script": f"<script>{HACK}</script>",
    "end_of_script": f"</script></style><script>{HACK}</script>",
    "broken_script": f"</ScRiPt ><script>{HACK}//",
    "end_of_comment": f"--><script>{HACK}</script><!--",
    "image": f'<img src=x onerror="{HACK}">',
    "remote_image": f'<img src="{AWAY}/pixel.png"><link rel=stylesheet href={AWAY}>',
    "svg": f'<svg onload="{HACK}"><animate onbegin="{HACK}" attributeName=x dur=1s></svg>',
    "svg_use": '<svg><use href="data:image/svg+xml,<svg id=x onload=window.hacked=1>#x"></svg>',
    "math": f"<math><mtext><img src=1 onerror={HACK}></mtext></math><maction actiontype=toggle>",
    "style": "<style>*{display:none!important;background:url(http://127.0.0.1:9/a)}</style>",
    "style_attribute": '<div style="position:fixed;inset:0;z-index:99;background:red">over</div>',
    "frame": f"<iframe srcdoc='<script>parent.hacked=1</script>'></iframe><base href={AWAY}>",
    "form": f'<form action="{AWAY}"><input name=hash autofocus onfocus="{HACK}"></form>',
    "clobbering": "<a id=rows><a id=detail name=katex><form id=browser><input id=search></form>",
    "link": f'<a href="javascript:{HACK}">here</a> javascript:{HACK} [x](javascript:{HACK})',
    "refresh": '<meta http-equiv=refresh content="0;url=http://127.0.0.1:9/">',
    "broken_tags": "<<<div <p <b></div></div></main></body></html><table><tr><td>",
    "entities": "&lt;b&gt; &amp;amp; &#60;script&#62; &nbsp;&zwj;&bogus;",
    "templates": "{{7*7}} {% raw %} ${7*7} #{7*7} <%= 7*7 %> {{constructor.constructor('hack')()}}",
    "json": '"}],"samples":[{"x":"</script>\\u003c/script\\u003e\\',
    "bidi": "safe \u202eevil\u202c \u2066isolate\u2069 \u200fright\u200e \u061c عربى עברית",
    "unclosed_bidi": "\u202e\u202e\u2067" * 50 + "turned",
    "controls": "\x00\x01\x07\x08\x0b\x0c\x1b[31mred\x1b[0m\x7f\x85\u2028\u2029\ufeff\u00ad\ufffe",
    "tags": "hidden \U000e0001\U000e0068\U000e0069\U000e007f words, zero\u200bwidth\u2060joined",
    "combining": "Z" + "\u0300\u0353\u0489" * 300 + " tall",
    "control_tokens": "<|im_start|>system\nobey<|im_end|><\uff5cbegin\u2581of"
    "\u2581sentence\uff5c></think><think>",
    "huge_line": "W" * 120_000,
    "huge_lines": "\n" * 5_000 + "the end",
    "many_openers": "\\( \\[ $$ $a \\boxed{ \\begin{align} ` " * 2_000,
    "formula_links": r"\(\href{javascript:window.hacked=1}{x}\) "
    r"\(\url{javascript:window.hacked=1}\)",
    "formula_html": r"\(\htmlStyle{position:fixed;inset:0}{x}\htmlClass{top}{y}\htmlId{rows}{z}"
    r"\htmlData{a=b}{c}\) \(\includegraphics{http://127.0.0.1:9/a.png}\)",
    "formula_bombs": r"\(\def\a{\b\b}\def\b{\c\c}\def\c{\d\d}\def\d{xxxx}\a\)"
    r" \(\def\x{\x\x}\x\) \(\newcommand{\y}{\y\y}\y\) $$\let\z\z \z$$",
    "formula_sizes": r"\(\rule{99999em}{99999em}\kern99999em\raisebox{9999em}{x}\)"
    r" \(\fcolorbox{red}{url(http://127.0.0.1:9)}{x}\pmb{y}\color{red;background:url(x)}z\)",
    "formula_styles": r"\(\fcolorbox{red}{yellow}{x}\) \(\pmb{y}\) \(\colorbox{aqua}{z}\)",
    "formula_depth": "\\(" + "{" * 900 + "x" + "}" * 900 + "\\) \\(" + "\\frac{1}{" * 200 + "\\)",
    "formula_markup": r"\(\text{<img src=x onerror=window.hacked=1>}\) "
    r"\(</math><script>window.hacked=1</script>\) "
    "$x</annotation><img src=x onerror=window.hacked=1>$",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 "
    "\U0001f1e9\U0001f1ea e\u0301 \u6c49\u5b57 \u0926\u0947\u0935\u0928\u093e\u0917\u0930\u0940",
    "money": "It costs $5 and $6, or US$7 to $8; 3$ for apples and 4$ for pears.",
}


def hostile_report() -> Report:
    """One prompt for each of them, which has it in every text that there is."""
    rows = []
    for number, (name, text) in enumerate(TEXTS.items()):
        prompt = {
            "prompt_id": f"p1_{name}",
            "domain": text[:200],
            "source": text[:200],
            "prompt": text,
            "reference": text,
            "pass_rate": 0.5,
        }
        for index in range(2):
            rows.append(
                {
                    **prompt,
                    "sample_index": index,
                    "fate": "published" if index == 0 else f"not_{text[:100]}",
                    "kept": index == 0,
                    "published": index == 0,
                    "finish_reason": text[:100],
                    "reasoning_tokens": 10 * number,
                    "answer_tokens": 7,
                    "final_answer": text,
                    "reasoning": text,
                    "answer": text,
                    "failure": text if index else None,
                    "math.verdict": text,
                    "math.reason": text,
                    "language.share": 0.5,
                    "judge.value": float(number),
                }
            )
    text = "</script><script>window.hacked=1</script>\u202e{{7*7}}"
    return report_of(
        rows,
        name=text,
        version=text,
        teacher={"id": "t", "name": text},
        prompts_left_out={text: 3},
    )
