"""The figures of `calibration.yaml`, on which simulations rest: checked, read from one place."""

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from infra.policy import Beta
from infra.step_time import StepTime

PATH = Path(__file__).with_suffix(".yaml")


class Part(BaseModel):
    """Base of all parts of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(Part):
    """A number, and why it is what it is."""

    value: float
    unit: str
    of: str
    basis: Literal["published", "derived", "assumed"]
    source: str | None = None
    """Title and place of what was published."""
    how: str | None = None
    """The arithmetic of what is derived, the reason of what is assumed."""

    @model_validator(mode="after")
    def _has_a_ground(self) -> Self:
        if (self.basis == "published") != (self.source is not None):
            raise ValueError("a published figure has a source, and no other has one")
        if (self.basis == "published") == (self.how is not None):
            raise ValueError("a derived or assumed figure says how, and no other does")
        return self


class Throughput(Part):
    """What DeepSeek says of its own service."""

    input_tokens_per_s: Figure
    output_tokens_per_s: Figure
    stream_tokens_per_s: Figure


class StepTimeFigures(Part):
    """Of one replica."""

    base_s: Figure
    per_sequence_s: Figure
    per_prefill_token_s: Figure
    slots: Figure

    def with_slots(self, slots: int) -> StepTime:
        """The model for a replica of so many slots."""
        return StepTime(
            base_s=self.base_s.value,
            per_sequence_s=self.per_sequence_s.value,
            per_prefill_token_s=self.per_prefill_token_s.value,
            slots=slots,
        )


class Lengths(Part):
    """Of samples and prompts."""

    mean_tokens: Figure
    sigma: Figure
    cap_tokens: Figure
    prompt_tokens: Figure
    wrong_are_longer: Figure


class PassRates(Part):
    """Over the prompts of one source."""

    mean: Figure
    concentration: Figure

    @property
    def beta(self) -> Beta:
        """The distribution of that mean and a + b."""
        total = self.concentration.value
        return Beta(self.mean.value * total, (1 - self.mean.value) * total)


class RayDataLlm(Part):
    """How many rows it gives to an engine."""

    batch_size: Figure
    concurrent_batches: Figure
    tuned_batch_size: Figure
    tuned_concurrent_batches: Figure


class Calibration(Part):
    """The whole file."""

    throughput: Throughput
    step_time: StepTimeFigures
    lengths: Lengths
    pass_rates: dict[str, PassRates]
    ray_data_llm: RayDataLlm


def load(path: Path = PATH) -> Calibration:
    """Reads and checks the file; ValidationError for what does not belong there."""
    return Calibration.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


CALIBRATION = load()
