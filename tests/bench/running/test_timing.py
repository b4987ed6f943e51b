from __future__ import annotations

import gc

import pytest
import torch

from bench.running import timing
from bench.running.timing import LEAST, REPEATS, WARM_UP, Timing, rounds

CPU = torch.device("cpu")


class Clock:
    """A clock that moves when what is timed says so, and by a nanosecond at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-9
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", made)
    return made


def test_warm_up_rounds_are_not_counted_and_each_round_times_every_call_once(clock: Clock) -> None:
    order: list[str] = []

    def call(name: str) -> None:
        order.append(name)
        clock.now += 1e-6 * len(order)

    found = rounds({"a": lambda: call("a"), "b": lambda: call("b")}, CPU, repeats=4)
    assert order == ["a", "b"] * (WARM_UP + 4)
    first = 2 * WARM_UP + 1
    assert found["a"].raw == pytest.approx([first, first + 2, first + 4, first + 6], abs=0.01)
    assert found["b"].raw == pytest.approx([first + 1, first + 3, first + 5, first + 7], abs=0.01)
    assert found["a"].median == pytest.approx(first + 3, abs=0.01)


def test_repeats_are_calibrated_by_the_product_of_their_own_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Machine speed doubles half way: raw times halve, calibrated ones stay the same."""
    pace = iter([2.0, 10.0] * (WARM_UP + 2) + [1.0, 5.0] * 2)
    monkeypatch.setattr(timing, "_microseconds", lambda call, device: next(pace))
    found = rounds({"a": lambda: None}, CPU, repeats=4)
    assert found["a"] == Timing((2.0, 2.0, 1.0, 1.0), (0.2, 0.2, 0.2, 0.2))


def test_a_call_of_seconds_is_repeated_only_as_often_as_the_least(clock: Clock) -> None:
    calls = []

    def slow() -> None:
        calls.append(1)
        clock.now += 5.0

    found = rounds({"slow": slow}, CPU, seconds=2.0)
    assert found["slow"].raw == pytest.approx((5e6,) * LEAST)
    assert len(calls) == 1 + LEAST, "warm after one call"


def test_the_collector_is_off_while_timing_and_on_again_after_an_error() -> None:
    seen = []

    def failing() -> None:
        seen.append(gc.isenabled())
        raise ArithmeticError

    assert gc.isenabled()
    with pytest.raises(ArithmeticError):
        rounds({"failing": failing}, CPU)
    assert seen == [False]
    assert gc.isenabled()


def test_real_calls_take_time_and_all_have_equally_many_repeats() -> None:
    x = torch.ones(64, 64)
    found = rounds({"product": lambda: x @ x, "sum": x.sum}, CPU)
    for measured in found.values():
        assert len(measured.raw) == len(measured.calibrated) == REPEATS
        assert min(measured.raw) > 0
        assert min(measured.calibrated) > 0
