"""What the tokens of a sample say of its thinking, and its text does not: where it was closed, and
whether by its budget."""

from collections.abc import Callable, Sequence

from schemas.reasoning import CLOSE, NEVER


def closing_place(
    text: str, completion: Sequence[int], closing: int | None, decode: Callable[[list[int]], str]
) -> int | None:
    """Where in `text` the tag stands that closed the thinking, for a text that has the tag more
    often than `completion` has its token: one that quotes it letter by letter. `NEVER` where it is
    only quoted; null where it stands first, or where that cannot be told.

    Args:
        closing: Token id of the tag; null where the tokenizer has none.
        decode: Text of tokens.
    """
    ids = list(completion)
    if closing is None or text.count(CLOSE) <= ids.count(closing):
        return None
    if closing not in ids:
        return NEVER
    before = decode(ids[: ids.index(closing)])
    return len(before) if text.startswith(before + CLOSE) else None


def thinking_was_cut(
    prompt: Sequence[int], completion: Sequence[int], budget: int, opening: int, closing: int
) -> bool | None:
    """Whether a closing tag in `completion` was forced because the thinking had used up `budget`.

    vLLM counts the tokens behind the opening tag, also those in the prompt, and forces the closing
    tag the moment there are `budget` of them. A closing tag behind fewer is therefore the model's
    own and one behind as many is not, whatever the model would have written there.

    Null where the model opened its thinking twice: which of the two tags is counted from depends on
    vLLM's model runner, and on whether the request was moved.

    Args:
        opening, closing: Token ids of the two tags.
    """
    first = last = _open_since(prompt, opening, closing)
    for place, token in enumerate(completion, len(prompt)):
        if token == opening:
            last = place + 1
            first = last if first is None else first
        elif token == closing and first is not None and last is not None:
            if place - first >= budget:
                return True if place - last >= budget else None
            first = last = None
    return False


def _open_since(prompt: Sequence[int], opening: int, closing: int) -> int | None:
    """Where the thinking begins in which the prompt ends."""
    for place in range(len(prompt) - 1, -1, -1):
        if prompt[place] in (opening, closing):
            return place + 1 if prompt[place] == opening else None
    return None
