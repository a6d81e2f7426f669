"""What a run is to reach: what each prompt needs, and when the whole is enough."""

from dataclasses import dataclass, replace

from infra.sampling import Bits, Need, below, eligible_prefix
from schemas.recipe import PolicyName, Recipe


@dataclass(frozen=True, slots=True)
class Goal:
    """As the scheduling core sees it."""

    need: Need
    policy: PolicyName = "posterior"
    rows: int = 1
    """So many kept samples of a prompt are published at most."""
    target: int | None = None
    """So many rows, over prompts in the order of their numbers, are enough."""
    tokens_per_sample: float = 0.0
    """What a sample is held to take while few have been drawn."""

    @classmethod
    def of(cls, recipe: Recipe) -> "Goal":
        """What a recipe asks for. A sample takes `max_tokens` until it is known better, so that a
        budget is not overdrawn in the meantime."""
        return cls(
            need=Need.of(recipe.samples, recipe.outputs),
            policy=recipe.samples.policy,
            rows=recipe.choose.per_prompt if "sft" in recipe.outputs else 0,
            target=recipe.target.published,
            tokens_per_sample=recipe.sampling.max_tokens,
        )

    def with_length(self, tokens_per_sample: float | None) -> "Goal":
        """The same with a length of samples, if it is known."""
        if tokens_per_sample is None:
            return self
        return replace(self, tokens_per_sample=tokens_per_sample)

    def rows_of(self, bits: Bits) -> int:
        """How many rows a prompt brings, by what is judged of it without a gap."""
        length = eligible_prefix(bits.judged, bits.kept, bits.wrong, self.need).length
        return min(self.rows, (bits.kept & below(length)).bit_count())
