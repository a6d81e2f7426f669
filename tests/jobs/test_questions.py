"""What prompts say without the template around them."""

import polars as pl
import pytest

from jobs.questions import questions
from schemas.arrow import PROMPTS
from schemas.recipe import PromptSource

BOXED = "{prompt}\n\nPut your answer within \\boxed{{}}."


def source(template: str) -> PromptSource:
    return PromptSource(path="p.jsonl", fields={"prompt": "q"}, template=template)


def said(chats: list[list[tuple[str, str]]], *templates: str) -> list[str]:
    messages = [[{"role": role, "content": text} for role, text in chat] for chat in chats]
    schema = {"messages": pl.Schema(PROMPTS)["messages"]}
    frame = pl.DataFrame({"messages": messages}, schema)
    return questions(frame["messages"], [source(template) for template in templates]).to_list()


def test_the_template_is_no_part_of_it() -> None:
    assert said([[("user", BOXED.format(prompt="é?"))]], "{prompt}", BOXED) == ["é?"]
    around = [[("user", "Q: x\nA:")], [("user", "Q: y")]]
    assert said(around, "Q: {prompt}\nA:") == ["x", "Q: y"]


def test_the_longest_template_that_fits_is_taken_away() -> None:
    templates = ["Q: {prompt}", "{prompt} A:", "Q: {prompt} A:"]
    for order in (templates, templates[::-1]):
        assert said([[("user", "Q: x A:")], [("user", "Q: x")]], *order) == ["x", "x"]


@pytest.mark.parametrize("content", ["aba", "ab", "a", ""])
def test_a_template_does_not_overlap_itself(content: str) -> None:
    assert said([[("user", content)]], "ab{prompt}ba") == [content]


def test_all_messages_are_said_and_the_template_is_around_the_last() -> None:
    chat = [("system", "Q: be short"), ("user", "Q: one"), ("assistant", "1"), ("user", "Q: two")]
    assert said([chat], "Q: {prompt}") == ["Q: be short\nQ: one\n1\ntwo"]
    assert said([], "Q: {prompt}") == []
