"""A stream reads what is past and nothing else; what it holds at every border."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memories.base import State
from tasks.longterm.evaluation import (
    before_test,
    before_validation,
    passed,
    trained_pass,
    validated,
)
from tasks.longterm.plan import Plan
from tests.memories.token_training.small_models import (
    CHANNELS,
    Mean,
    former,
    generator,
    lanes,
    spectral,
)
from tests.tasks.longterm.small_runs import ROWS, SPLIT, plan, windows

MADE = lanes([1, 2], spectral(), former)
"""Slow weights that stay as they are."""


def stream_forecasts(rows: Tensor, chosen: Plan) -> dict[int, Tensor]:
    """Forecasts [N, H, C] of validation and test by their origins, in one stream."""
    seen = windows(MADE, rows)
    state = trained_pass(MADE, seen, chosen).after
    found: dict[int, Tensor] = {}

    def add(origins: range, before: State) -> None:
        for chunk in passed(MADE, seen, chosen, origins, before):
            found.update(zip(chunk.origins, chunk.forecasts.unbind(1), strict=True))

    add(chosen.validation, before_validation(MADE, seen, chosen, state))
    add(chosen.test, before_test(MADE, seen, chosen, state))
    return found


SHORT = type(SPLIT)(28, 36, 50)
"""Training windows end at rows 7 to 24, those of validation at 27 to 32, of the test at 35 to 46.
"""
KNOWN: dict[tuple[int, int], dict[int, Tensor]] = {}


@pytest.mark.parametrize(("chunk", "stride"), [(1, 1), (32, 1), (3, 2)])
@settings(max_examples=4)
@given(origin=st.integers(8, SHORT.e - 1), seed=st.integers(0, 2**20))
def test_rows_after_an_origin_change_no_forecast_up_to_it(
    origin: int, seed: int, chunk: int, stride: int
) -> None:
    """Bit for bit; with the newest rows read at every origin, and with chunks of 32."""
    chosen = plan(split=SHORT, chunk=chunk, stride=stride)
    if (chunk, stride) not in KNOWN:
        KNOWN[chunk, stride] = stream_forecasts(ROWS[:1], chosen)
    other = ROWS[:1].clone()
    other[:, origin + 1 :] += 3 * torch.randn(
        other[:, origin + 1 :].shape, generator=generator(seed)
    )
    seen = stream_forecasts(other, chosen)
    for at, forecast in KNOWN[chunk, stride].items():
        if at <= origin:
            assert torch.equal(seen[at], forecast), at


def test_a_row_changes_the_forecasts_after_it_through_the_memory_alone() -> None:
    """So that the test above could fail: later windows do not hold the row, yet their forecasts
    move.
    """
    chosen = plan(split=SHORT, chunk=1)
    other = ROWS[:1].clone()
    other[:, 26] += 5.0
    first, second = (stream_forecasts(rows, chosen) for rows in (ROWS[:1], other))
    late = [o for o in first if o - 7 > 26]
    assert len(late) == 12
    assert all(not torch.equal(first[o], second[o]) for o in late)


@pytest.mark.parametrize("memory_eval", ["empty", "frozen-train"])
def test_where_nothing_is_written_tokens_are_the_same_at_every_window(memory_eval: str) -> None:
    chosen = plan(memory_eval=memory_eval)
    seen = windows(MADE)
    trained = trained_pass(MADE, seen, chosen).after
    expected = MADE.init_state() if memory_eval == "empty" else trained
    before = before_test(MADE, seen, chosen, trained)
    assert same(before, expected)
    assert same(before_validation(MADE, seen, chosen, trained), expected)
    for chunk in passed(MADE, seen, chosen, chosen.test, before):
        assert same(chunk.after, expected)
    assert same(validated(MADE, seen, chosen, before)[1], expected)


def same(one: State, two: State) -> bool:
    return all(torch.equal(one[name], entry) for name, entry in two.items())


@pytest.mark.parametrize("chunk", [4, 32])
@pytest.mark.parametrize("stride", [1, 3])
def test_the_test_begins_with_what_validation_ended_with(chunk: int, stride: int) -> None:
    """And the windows between; the pass before the test skips what is not stored, in float32 and
    other batch shapes: 1e-4. Without windows between, states are equal as they are.
    """
    chosen = plan(chunk=chunk, stride=stride, fill_gaps=False)
    seen = windows(MADE)
    trained = trained_pass(MADE, seen, chosen).after
    _, after = validated(MADE, seen, chosen, before_validation(MADE, seen, chosen, trained))
    before = before_test(MADE, seen, chosen, trained)
    assert torch.equal(before["count"], after["count"])
    torch.testing.assert_close(before["rows"], after["rows"], rtol=1e-5, atol=1e-5)
    filled = plan(chunk=chunk, stride=stride)
    counts = [before_test(MADE, seen, p, trained)["count"].tolist() for p in (chosen, filled)]
    between = [o for b in (SPLIT.a, SPLIT.b) for o in range(b - 3, b - 1) if filled.stored(o)]
    assert counts[1] == [counts[0][0] + len(between)] * 2


def test_validation_errors_are_of_every_window_in_order() -> None:
    chosen = plan(chunk=7, memory_eval="empty")
    seen = windows(MADE, ROWS)
    losses, _ = validated(MADE, seen, chosen, MADE.init_state())
    assert losses.shape == (2, len(chosen.validation))
    assert losses.dtype == torch.float64
    for place, origin in enumerate(chosen.validation):
        snapshot = MADE.snapshot(MADE.init_state())
        forecasts, _ = MADE.forecast(ROWS[:, None, origin - 7 : origin + 1], snapshot)
        error = (forecasts[:, 0] - ROWS[:, origin + 1 : origin + 4]).square().mean((1, 2))
        torch.testing.assert_close(losses[:, place], error.double(), rtol=1e-5, atol=1e-6)


def test_a_memory_of_batches_gets_a_row_per_chunk_of_a_stream() -> None:
    """30 training windows in chunks of 32, 2 before the border, 18 of validation in chunks of 4."""
    made = lanes([1], spectral("spectral-v4"), former)
    chosen = plan(chunk=4)
    seen = windows(made)
    taken = trained_pass(made, seen, chosen)
    training = -(-len(chosen.training) // 32)
    assert made.report(taken.after)["rows"].tolist() == [training]
    before = before_validation(made, seen, chosen, taken.after)
    assert made.report(before)["rows"].tolist() == [training + 1]
    _, after = validated(made, seen, chosen, before)
    chunks = -(-len(chosen.validation) // 4)
    assert made.report(after)["rows"].tolist() == [training + 1 + chunks]


def test_snapshots_of_training_are_taken_every_32_windows() -> None:
    made = lanes([1], Mean, former)
    rows = torch.randn(1, 200, CHANNELS, generator=generator(3))
    chosen: Any = plan(split=type(SPLIT)(120, 150, 190), stride=1)
    taken = trained_pass(made, windows(made, rows), chosen)
    assert taken.every == 32
    assert taken.stacked["count"].tolist() == [[0, 32, 64, 96]]
    assert taken.after["count"].tolist() == [110]
