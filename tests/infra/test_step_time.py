"""How long a decode step takes."""

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from infra.step_time import StepTime

STEPS = st.builds(
    StepTime,
    base_s=st.floats(0.001, 0.1),
    per_sequence_s=st.floats(0, 0.001),
    per_kv_token_s=st.floats(0, 1e-6),
)


def test_steps_take_longer_as_the_cache_fills() -> None:
    step = StepTime(base_s=0.02, per_sequence_s=0.001, per_kv_token_s=1e-5)
    assert isclose(step.decode_s(1, 10, 0), 0.03, rel_tol=0.01)
    one_by_one = sum(step.decode_s(1, 10, 10 * done) for done in range(100))
    assert isclose(step.decode_s(100, 10, 0), one_by_one)
    assert step.decode_s(100, 10, 5000) > step.decode_s(100, 10, 0)


@given(STEPS, st.floats(0, 1e5), st.integers(1, 512), st.floats(0, 1e6))
def test_steps_in_a_time_and_the_time_of_steps_agree(
    step: StepTime, steps: float, sequences: int, kv: float
) -> None:
    seconds = step.decode_s(steps, sequences, kv)
    assert isclose(step.decoded(seconds, sequences, kv), steps, rel_tol=1e-6, abs_tol=1e-6)


def test_the_peak_is_what_full_slots_make() -> None:
    assert isclose(StepTime(0.025, 0.0001, slots=256).peak(), 256 / 0.0506)
    assert StepTime(0.025, 0.0001, per_kv_token_s=1e-8).peak(5000) < StepTime(0.025, 0.0001).peak()
