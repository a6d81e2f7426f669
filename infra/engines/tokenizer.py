"""Whether the tokenizer that was loaded is the one the model was trained with."""

from pathlib import Path
from typing import Any

from schemas.errors import EngineError
from schemas.reasoning import CLOSE, OPEN

PROBE = (
    "Solve 12.5% of 3,480 + (7x-2)^2 = \\frac{1}{3}, it's 1024\n\n"
    "<think>\nOkay, so... 等一下,我们再算一次。 naïve Ω ≈ 3\n</think>\n\n\\boxed{-42}"
)
"""Numbers, LaTeX, line ends, tags and scripts, where pre-tokenizers differ; already NFC."""


def check_tokenizer(tokenizer: Any, name: str, revision: str | None = None) -> None:
    """EngineError if `tokenizer` cuts text otherwise than the `tokenizer.json` it was loaded from.

    transformers 5 chooses a class by the model's type and rebuilds normalizer and pre-tokenizer
    from that class; what the folder says is dropped without a word. The model then reads prompts
    in tokens it was never trained on, and its samples are poor for no visible reason.

    Args:
        name: A folder or a hub id, as vLLM's `tokenizer` argument. One without a `tokenizer.json`
            has nothing to compare with and passes.
    """
    from tokenizers import Tokenizer
    from transformers.utils.hub import cached_file

    path = cached_file(
        name,
        "tokenizer.json",
        revision=revision,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return
    own = Tokenizer.from_file(path).encode(PROBE, add_special_tokens=False)
    loaded = tokenizer.encode(PROBE, add_special_tokens=False)
    if loaded == own.ids:
        return
    pairs = zip([*loaded, None], [*own.ids, None], strict=False)
    place = next(place for place, (here, there) in enumerate(pairs) if here != there)
    before = PROBE[: own.offsets[place - 1][1]] if place else ""
    raise EngineError(
        f"the tokenizer that transformers loads for {name!r} ({type(tokenizer).__name__}) is not "
        f"its own: after {before!r} it cuts "
        f"{tokenizer.convert_ids_to_tokens(loaded[place : place + 3])} where tokenizer.json cuts "
        f"{own.tokens[place : place + 3]}. Samples made with it would be poor without a reason. "
        "Name a repaired copy in teacher.engine_args.tokenizer, or install the transformers that "
        "the model was released with"
    )


def tags_without_token(folder: Path) -> list[str]:
    """Those of the two thinking tags that the tokenizer in a model folder cuts into pieces; none
    where there is no such folder here."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        return []
    tokenizer = Tokenizer.from_file(str(path))
    return [tag for tag in (OPEN, CLOSE) if tokenizer.token_to_id(tag) is None]
