"""Whether a sample's thinking was cut by its budget: vLLM does not say it."""

from collections.abc import Sequence


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
