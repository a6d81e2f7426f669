"""Identities: what a thing depends on, hashed. Equal identity means never computed again.

Every identity is `<tag>1_` and 128 bits of SHA-256 over canonical JSON (sorted keys, no blanks,
ASCII escapes), so that it is the same on every machine and can be told apart by its tag. The `1`
is the version of the algorithm.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

Messages = Sequence[Mapping[str, str]]


CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def canonical_json(value: Any) -> bytes:
    """The one JSON text of `value`; raises ValueError on NaN, TypeError on foreign types."""
    return CANONICAL.encode(value).encode("ascii")


def identity(tag: str, value: Any) -> str:
    """`<tag>1_<32 hex digits>` of any JSON value."""
    return _identity(tag, canonical_json(value))


def identity_of(tag: str, canonical: str) -> str:
    """The same of a JSON text that is canonical already."""
    return _identity(tag, canonical.encode("ascii"))


def _identity(tag: str, canonical: bytes) -> str:
    return f"{tag}1_{hashlib.sha256(canonical).hexdigest()[:32]}"


def messages_json(messages: Messages) -> str:
    """Canonical JSON of a prompt's messages. Put together here, since an encoder takes four times
    as long, and every start reads all prompts."""
    texts = [f'{{"content":{quoted(m["content"])},"role":{quoted(m["role"])}}}' for m in messages]
    return f"[{','.join(texts)}]"


def prompt_id(messages: str) -> str:
    """Identity of a prompt: its exact messages (`messages_json`), before templating; not its
    reference."""
    return _identity("p", messages.encode("ascii"))


def prompt_bounds(ranges: int) -> list[str]:
    """What parts the ids of all prompts into so many ranges of about as many: they are hashes."""
    return [f"p1_{(number << 32) // ranges:08x}" for number in range(1, ranges)]


def reference_id(reference: str | None) -> str:
    """Identity of what a verifier compares with."""
    return _identity("r", b"null" if reference is None else quoted(reference).encode("ascii"))


def text_digest(text: str, *, truncated: bool = False) -> str:
    """Digest of a rendered prompt or of a generated text. That a text is `truncated` belongs to it:
    when it is gone on with, and ends with nothing but its last token, its scores are others."""
    own = f"truncated\0{text}" if truncated else text
    return f"x1_{hashlib.sha256(own.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def sample_seed(prompt: str, teacher: str, sample_index: int) -> int:
    """The seed asked for when this key is drawn: 31 bits, recorded in the row as provenance.

    vLLM does not promise the same text for the same seed in another batch, so the seed is no part
    of any identity.
    """
    return int(identity("s", [prompt, teacher, sample_index])[3:11], 16) & 0x7FFFFFFF
