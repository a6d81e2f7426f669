"""The program is found where models write it; more cases are in `test_code_answer.py`."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.programs.extraction import program_of


@pytest.mark.parametrize(
    ("answer", "defines", "program"),
    [
        ("```python\na = 1\n```", "", "a = 1\n"),
        ("```Python3\na = 1\n```", "", "a = 1\n"),
        ("```python title=x\na = 1\n```", "", "a = 1\n"),
        ("````python\n```\n````", "", "```\n"),
        ("```python\na = 1\n```\n```python\nb = 1\n```", "", "b = 1\n"),
        ("```python\ndef f(): 1\n```\n```python\nf()\n```", "f", "def f(): 1\n"),
        ("```python\nasync def f(): 1\n```\n```python\nf()\n```", "f", "async def f(): 1\n"),
        (
            "```python\nclass S:\n  def f(s): 1\n```\n```python\nx\n```",
            "f",
            "class S:\n  def f(s): 1\n",
        ),
        ("```python\na = 1\n```\n```python\n\n```", "", "a = 1\n"),
        ("```text\n3\n```\n```python\na = 1\n```\n```text\n4\n```", "", "a = 1\n"),
        ("```\na = 1\n```", "", "a = 1\n"),
        ("```bash\nls\n```", "", None),
        ("import os", "", "import os"),
        ("x = 1", "", "x = 1"),
        ("x == 1 holds", "", None),
        ("Importing is easy.", "", None),
        ("```python\n", "", None),
        ("```python\r\na = 1\r\n```\r\n", "", "a = 1\n"),
        ("a ```python b```", "", None),
        ("```python\ndef f():\n    return [1]```\nThat is it.", "", "def f():\n    return [1]"),
        ("```python:main.py\na = 1\n```", "", "a = 1\n"),
        ("```python\na = 1\n```\nwhich prints\n```python\n3 4\n```", "", "a = 1\n"),
        ("```python\n3 + 4\n```", "", "3 + 4\n"),
        ("# adds\n\na, b = map(int, 'ab')", "", "# adds\n\na, b = map(int, 'ab')"),
        ("```python\nf = lambda: 1\n```\n```python\nprint(f())\n```", "f", "f = lambda: 1\n"),
    ],
)
def test_programs(answer: str, defines: str, program: str | None) -> None:
    assert program_of(answer, defines) == program


@given(st.text(alphabet="`~ \nxdef()py"))
def test_any_text(answer: str) -> None:
    found = program_of(answer, "f")
    assert found is None or found.strip()


@pytest.mark.parametrize("unit", ["```python\n", "`", "~~~\n", " " * 50 + "```\n", "```x", "\n"])
def test_no_text_takes_long(unit: str) -> None:
    answer = (unit * 200_000)[:1_000_000]
    started = time.process_time()
    program_of(answer, "f")
    assert time.process_time() - started < 20
