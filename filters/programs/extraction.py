"""The program of an answer: a fenced block of Python."""

import re

FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\n`]*)\n"
    r"(?P<code>.*?)(?:(?:^[ \t]*|(?<=[\w)\]}\"':]))(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
PYTHON = {"python", "py", "python3", "py3", "python 3", "{python}", "{.python}"}
UNNAMED = {"", "code", "plaintext", "text"}
"""Also outputs and formulas are written so: taken only where no block says that it is Python."""
STATEMENT = (
    r"(?:(?:def|class|import|from|print|for|while|if|try|with|async)\b|@\w|"
    r"\w+(?:[ \t]*,[ \t]*\w+)*[ \t]*=(?!=))"
)
BEGINS_AS_PROGRAM = re.compile(r"(?:(?:#.*)?\n)*" + STATEMENT)
HAS_STATEMENT = re.compile(r"^[ \t]*" + STATEMENT, re.MULTILINE)
DEFINITION = r"^[ \t]*(?:(?:async[ \t]+)?(?:def|class)\s+{name}\b|{name}[ \t]*=(?!=))"


def program_of(answer: str, defines: str = "") -> str | None:
    """The last block that defines the name, or the last one at all; null where there is none.

    Later blocks correct the earlier ones; examples of use come behind and define nothing, and what
    they print has no statement. A last block whose fence is missing counts, and so does an answer
    that is nothing but a program.
    """
    answer = answer.replace("\r\n", "\n")
    blocks = list(FENCE.finditer(answer))
    named = [_code(block) for block in blocks if _language(block) in PYTHON]
    unnamed = [_code(block) for block in blocks if _language(block) in UNNAMED]
    found = [code for code in named or unnamed if code.strip()]
    found = list(filter(HAS_STATEMENT.search, found)) or found
    if not blocks and BEGINS_AS_PROGRAM.match(answer.strip()):
        found = [answer.strip()]
    if defines:
        definition = re.compile(DEFINITION.format(name=re.escape(defines)), re.MULTILINE)
        found = [code for code in found if definition.search(code)] or found
    return found[-1] if found else None


def _language(block: re.Match[str]) -> str:
    return re.split(r"[ :]", block["language"].strip(), maxsplit=1)[0].casefold()


def _code(block: re.Match[str]) -> str:
    """Without the indentation of the list that the block stands in."""
    indent = block["indent"]
    if not indent:
        return block["code"]
    return "\n".join(line.removeprefix(indent) for line in block["code"].split("\n"))
