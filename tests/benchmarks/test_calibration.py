"""The figures load, have grounds, and follow from each other as they say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks.calibration import CALIBRATION, PATH, load


@pytest.mark.parametrize(
    ("written", "wrong", "said"),
    [
        ("slots:", "slotts:", "slotts"),
        ("value: 256", "value: many", "slots.value"),
        ("basis: published\n    source: *day6", "basis: published", "has a source"),
        ("basis: published", "basis: guessed", "basis"),
    ],
)
def test_what_does_not_belong_there_is_refused(
    written: str, wrong: str, said: str, tmp_path: Path
) -> None:
    text = PATH.read_text()
    assert written in text
    path = tmp_path / "calibration.yaml"
    path.write_text(text.replace(written, wrong, 1))
    with pytest.raises(ValidationError, match=said):
        load(path)


def test_what_is_derived_follows() -> None:
    slots = int(CALIBRATION.step_time.slots.value)
    step = CALIBRATION.step_time.with_slots(slots)
    published = CALIBRATION.throughput
    stream = step.peak() / slots
    assert stream == pytest.approx(published.stream_tokens_per_s.value, rel=0.02)
    ratio = published.input_tokens_per_s.value / published.output_tokens_per_s.value
    assert 1 / step.per_prefill_token_s == pytest.approx(step.peak() * ratio, rel=0.01)


def test_pass_rates_are_the_published_ones() -> None:
    open_r1 = CALIBRATION.pass_rates["OpenR1-Math"].beta
    assert open_r1.at_least(1, 2) == pytest.approx(0.55, abs=0.005)
    assert CALIBRATION.pass_rates["OpenMathReasoning"].beta.mean == pytest.approx(2.7 / 4.2, 1e-3)
