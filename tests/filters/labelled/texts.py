"""Responses with labels: sentences of our own (`sentences.txt`), put together, and others that
somebody wrote and labelled who did not know the scorers (`responses.jsonl`).

A label is what one scorer must say: its `reason`, or null where it must have nothing to say.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filters.scorer import Response

SENTENCES = {
    name.strip(): lines.strip().split("\n")
    for part in Path(__file__).with_name("sentences.txt").read_text().split("=== ")[1:]
    for name, _, lines in [part.partition("\n")]
}
MEGABYTE, LONG = 1 << 20, 1 << 17
HOSTILE = {
    "empty": "",
    "blanks": " \t\n\r\u3000",
    "NUL": "a\x00b" * 100,
    "a lone surrogate": "x \ud800 y",
    "right to left": "مرحبا بالعالم שלום עולם " * 20,
    "scripts": "hello 你好 こんにちは 안녕 привет สวัสดี नमस्ते " * 20,
    "zero width": "\u200b".join("hello world"),
    "combining": "e\u0301" * 1000,
    "emoji": "👩‍👩‍👧‍👦" * 1000,
    "tags": "\U000e0041" * 1000,
    "one line": "word " * (MEGABYTE // 5),
    "one word": "a" * MEGABYTE,
    "one digit": "1" * LONG,
    "han": "数" * LONG,
    "line ends": "\n" * LONG,
    "spaces": "\n" + " " * MEGABYTE + "x",
    "dollars": "$" * LONG,
    "open formulas": "\\[ x " * (LONG // 5),
    "open environments": "\\begin{a} " * (LONG // 10),
    "fences": "```\n" * (LONG // 4),
    "at signs": "a@" * (LONG // 2),
    "dots": "a.b@c." * (LONG // 6),
    "number groups": "1234 5678 " * (LONG // 10),
    "angles": "<|" * (LONG // 2),
    "roles": "\nuser:" * (LONG // 6),
    "apologies": "I'm sorry " * (LONG // 10),
    "orders": "ignore all " * (LONG // 11),
}
"""Texts that scorers have to bear, up to a megabyte."""

PROMPTS = {
    "en": "What is the remainder when the sum of the first ten squares is divided by seven?",
    "zh": "前十个平方数之和除以七的余数是多少？",
    "de": "Welchen Rest lässt die Summe der ersten zehn Quadratzahlen bei Division durch sieben?",
    "fr": "Quel est le reste de la division par sept de la somme des dix premiers carrés ?",
    "es": "¿Cuál es el resto de dividir entre siete la suma de los diez primeros cuadrados?",
    "ja": "最初の十個の平方数の和を七で割った余りはいくつですか。",
}
ANSWERS = {
    "en": "So the answer is \\boxed{5}.", "zh": "所以答案是 \\boxed{5}。",
    "de": "Die Antwort ist also \\boxed{5}.", "fr": "La réponse est donc \\boxed{5}.",
    "es": "La respuesta es \\boxed{5}.", "ja": "したがって答えは \\boxed{5} です。",
}  # fmt: skip
QUESTIONS = {"exam": SENTENCES["questions"]}
"""What `leaks` compares with."""
CODE = "```python\ndef f(n):\n    return sum(k * k for k in range(n + 1))\nprint(f(10) % 7)\n```"
FOREIGN = ("de", "fr", "es", "it", "pt", "ru", "ja", "ko", "zh")
ZERO_WIDTH, SMALL_CYRILLIC = "\u200b", str.maketrans("aeiopcs", "аеіорсѕ")
FULL_WIDTH = {place: place + 0xFEE0 for place in range(0x21, 0x7F)}


@dataclass(frozen=True)
class Labelled:
    """A response, and the reason that `scorer` must give."""

    scorer: str
    kind: str
    response: Response
    reason: str | None


def labelled() -> list[Labelled]:
    """All of them, always the same."""
    rng = random.Random(7)
    parts = (_languages, _repetitions, _refusals, _controls, _piis, _by_hand, _leaks)
    return [one for part in parts for one in part(rng)]


def _by_hand(_: random.Random) -> Iterator[Labelled]:
    for line in Path(__file__).with_name("responses.jsonl").read_text().splitlines():
        row = json.loads(line)
        response = Response(row["prompt"], row["reasoning"], row["answer"], "stop")
        yield Labelled(row["scorer"], "by hand", response, row["label"])


def spelt(sentence: str, rng: random.Random) -> str:
    """With numbers."""
    for name in "abc":
        sentence = sentence.replace(f"{{{name}}}", str(rng.randrange(2, 500)))
    return sentence


def text(rng: random.Random, *pools: str, count: int) -> str:
    """So many sentences, each from one of the pools."""
    joined = (spelt(rng.choice(SENTENCES[rng.choice(pools)]), rng) for _ in range(count))
    return "".join(one + rng.choice((" ", " ", "\n", "\n\n")) for one in joined)


def response(reasoning: str, answer: str = "", language: str = "en") -> Response:
    return Response(PROMPTS[language], reasoning, answer or ANSWERS[language], "stop")


def _languages(rng: random.Random) -> Iterator[Labelled]:
    for _ in range(60):
        yield Labelled("language", "english", response(text(rng, "en", count=40)), None)
        formulas = text(rng, "en", "formula", "formula", "formula", count=50)
        yield Labelled("language", "formulas", response(formulas), None)
    for _ in range(20):
        only = text(rng, "formula", count=30)
        yield Labelled("language", "formulas alone", response(only), None)
        names = text(rng, "en", "en", "en", "mixed", count=40)
        yield Labelled("language", "names", response(names), None)
        with_code = text(rng, "en", count=15) + CODE + text(rng, "en", count=15)
        yield Labelled("language", "code", response(with_code), None)
        chinese = text(rng, "zh", "zh", "formula", count=40)
        yield Labelled("language", "chinese", response(chinese, language="zh"), None)
    for language in ("de", "fr", "es", "ja"):
        for _ in range(5):
            own = response(text(rng, language, count=20), language=language)
            yield Labelled("language", f"all {language}", own, None)
    for language in FOREIGN:
        for _ in range(14):
            lines = text(rng, "en", "en", "formula", count=33).split("\n")
            lines.insert(rng.randrange(len(lines)), spelt(rng.choice(SENTENCES[language]), rng))
            one = response("\n".join(lines))
            yield Labelled("language", f"one sentence {language}", one, "foreign_sentences")
    for _ in range(20):
        mixed = text(rng, "zh", count=30) + spelt(rng.choice(SENTENCES["en"]), rng)
        one = response(mixed, language="zh")
        yield Labelled("language", "one sentence en", one, "foreign_sentences")


def _repetitions(rng: random.Random) -> Iterator[Labelled]:
    def one(kind: str, body: str, reason: str | None) -> Labelled:
        return Labelled("repetition", kind, Response(PROMPTS["en"], body, "", "length"), reason)

    for language in ("en", "zh"):
        for _ in range(10):
            start = text(rng, language, count=20)
            sentence = spelt(rng.choice(SENTENCES[language]), rng)
            yield one("sentence", start + f"{sentence} " * 60, "tail_loop")
            paragraph = text(rng, language, count=5)
            yield one("paragraph", start + paragraph * 12, "tail_loop")
            cut = (start + paragraph * 12)[: -rng.randrange(1, len(paragraph))]
            yield one("cut in a loop", cut, "tail_loop")
            loop = start + f"{sentence} " * 40 + text(rng, language, count=90)
            yield one("loop before", loop, "loop")
            yield one("cut off", start[: -rng.randrange(1, 30)], None)
    for _ in range(10):
        start = text(rng, "en", count=20)
        yield one("wait", start + "Wait, let me check that again. " * 60, "tail_loop")
        yield one("character", start + rng.choice("a0.!是") * 2000, "tail_loop")
        yield one("two words", start + "no, yes, " * 200, "tail_loop")
        yield one("digits", start + "0.333" + "3" * 900, "tail_loop")
        cases = "\n".join(f"Case {n}: {n} * {n + 3} is {n * (n + 3)}." for n in range(300))
        yield one("enumeration", start + cases, None)
        rows = "\n".join(f"| {n} | {rng.random():.3f} | {n**3 % 101} |" for n in range(100))
        yield one("table", f"{start}\n| n | x | y |\n|---|---|---|\n{rows}", None)
        yield one("rule", start + "\n" + "-" * 80, None)
        yield one("zeros", start + "\n[" + "0, " * 40 + "0]", None)
        lines = "\n".join(
            f"    x_{n} = f_{n}({rng.choice('abc')}, {rng.randrange(99)})" for n in range(120)
        )
        yield one("listing", f"{start}\n```\ndef g():\n{lines}\n```", None)
        yield one("reasoning", text(rng, "en", "formula", count=70), None)


def _ended(body: str, sentence: str, rng: random.Random) -> str:
    """An answer that begins or ends so."""
    return rng.choice((f"{sentence}\n\n{body}", f"{body}\n\n{sentence}", sentence))


def _refusals(rng: random.Random) -> Iterator[Labelled]:
    for kind in ("refused", "canned"):
        for sentence in SENTENCES[kind]:
            answer = _ended(text(rng, "en", count=30), sentence, rng)
            yield Labelled("refusal", kind, response("Let me see.", answer), kind)
    for _ in range(4):
        for sentence in SENTENCES["honest"]:
            answer = _ended(text(rng, "en", "zh", count=30), spelt(sentence, rng), rng)
            yield Labelled("refusal", "honest", response("Let me see.", answer), None)
    for sentence in SENTENCES["refused"][:10]:
        body = text(rng, "en", count=40)
        quoted = Response(PROMPTS["en"], f"{sentence} {body}", ANSWERS["en"], "stop")
        yield Labelled("refusal", "in the thinking", quoted, None)
        deep = response("Yes.", f"{body}\n{body}\nShe says: {sentence}\n{body}\n{body}")
        yield Labelled("refusal", "in the middle", deep, None)
    for answer in ("Hello! How can I help you today?", "你好！", "I like blue."):
        empty = Response("Say something.", "\n\n", answer, "stop")
        yield Labelled("refusal", "empty thinking", empty, "empty_thinking")


def _controls(rng: random.Random) -> Iterator[Labelled]:
    def one(kind: str, sentence: str, reason: str | None) -> Labelled:
        answer = f"{text(rng, 'en', count=8)}\n{sentence}\n{text(rng, 'en', count=8)}"
        return Labelled("control", kind, response("Yes.", answer), reason)

    for kind, reason in (("control", "control_token"), ("injection", "injection")):
        for sentence in SENTENCES[kind]:
            yield one(kind, sentence, reason)
            hidden = ZERO_WIDTH.join(sentence)
            yield one(f"{kind}, zero width", hidden, reason)
            yield one(f"{kind}, lookalikes", sentence.translate(SMALL_CYRILLIC), reason)
            yield one(f"{kind}, full width", sentence.translate(FULL_WIDTH), reason)
    for _ in range(3):
        for sentence in SENTENCES["plain"]:
            yield one("plain", spelt(sentence, rng), None)
    for language in ("en", "zh"):
        for _ in range(10):
            body = text(rng, language, "formula", count=20)
            yield Labelled("control", "reasoning", response("Yes.", body), None)


def _piis(rng: random.Random) -> Iterator[Labelled]:
    for kind, reason in (("pii", "pii"), ("numbers", None)):
        for sentence in SENTENCES[kind]:
            body = f"{text(rng, 'en', 'formula', count=10)}\n{sentence}"
            yield Labelled("pii", kind, response(body), reason)
    for _ in range(20):
        yield Labelled("pii", "reasoning", response(text(rng, "en", "formula", count=40)), None)
        digits = " ".join(str(rng.randrange(10**9, 10**17)) for _ in range(10))
        yield Labelled("pii", "long numbers", response(f"The terms are {digits}."), None)


def _leaks(rng: random.Random) -> Iterator[Labelled]:
    def both(kind: str, sentence: str, *, is_leaked: bool = True) -> Iterator[Labelled]:
        around = [text(rng, "en", "formula", count=15) for _ in range(3)]
        in_thinking = response(f"{around[0]} {sentence} {around[1]}", around[2])
        in_answer = response(around[0], f"{around[1]} {sentence} {around[2]}")
        yield Labelled("leaks", kind, in_thinking, "leaked_thinking" if is_leaked else None)
        yield Labelled("leaks", kind, in_answer, "leaked_answer" if is_leaked else None)

    for question in SENTENCES["questions"]:
        words = question.split(" ")
        yield from both("verbatim", question)
        yield from both("shouted", question.upper())
        yield from both("full width", question.translate(FULL_WIDTH))
        yield from both("other spaces", question.replace(" ", "\n  "))
        yield from both("without marks", question.translate(str.maketrans("", "", ".,;?$，？")))
        yield from both("style", question.replace("\\left", "").replace("\\sqrt", "\\,\\sqrt"))
        if len(words) > 1:
            yield from both("a part", " ".join(words[4:22]))
            yield from both("a few words", " ".join(words[:8]), is_leaked=False)
            every_third = [w if n % 3 else "perhaps" for n, w in enumerate(words)]
            yield from both("other words", " ".join(every_third), is_leaked=False)
        asked = Response(f"{question} Think first.", f"So: {question}", question, "stop")
        yield Labelled("leaks", "asked for", asked, None)
    for _ in range(40):
        body = text(rng, "en", "formula", count=40)
        yield Labelled("leaks", "reasoning", response(body), None)
        yield Labelled(
            "leaks", "in chinese", response(text(rng, "zh", count=40), language="zh"), None
        )
