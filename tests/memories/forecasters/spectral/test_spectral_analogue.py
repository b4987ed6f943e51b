"""Recalled targets beside spectral memory: delay, moments, the mixture and its weight."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter, State
from memories.forecasters.online.frozen import Frozen
from memories.forecasters.spectral.spectral_analogue import SpectralAnalogue
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    FIRST,
    HORIZON,
    LOOKBACK,
    forecasts,
    generator,
    walk,
)
from tests.memories.forecasters.spectral.encoders import (
    BORDER,
    ENCODERS,
    analogue,
    data,
    former,
    online,
    reading,
    stream,
)
from tests.reference import spectral_online as reference

LEAST = 2 * 4
"""Events before the mixture begins: twice the components."""


def logit(weight: float) -> float:
    return float(torch.logit(torch.tensor(weight, dtype=torch.float64)))


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_a_stream_is_forecast_as_by_a_list_of_events(encoder: Any, reads: bool) -> None:
    """In float64: sums of decayed products against a loop over events, divided by eigenvalues
    down to a thousandth of their mean: 1e-8. Each event is read H windows after its own at
    the earliest.
    """
    rows = stream().double()
    memory = analogue(encoder(), analogue_decay=0.9375).double()
    memory.reads_tokens.fill_(reads)
    seen = walk(memory, rows)
    plain = online(encoder()).double()
    plain.reads_tokens.fill_(reads)
    known = [(forecast, state["pend"]) for forecast, state in walk(plain, rows)]
    origins = range(FIRST, len(rows))
    windows = [rows[t - LOOKBACK + 1 : t + 1] for t in origins]
    targets = [rows[t + 1 : t + 1 + HORIZON] for t in origins[:-HORIZON]]
    mixed = 0
    for at, (forecast, _) in enumerate(seen):
        expected, _ = known[at]
        recalled = reference.analogue(
            [row for _, row in known], windows, targets, at, HORIZON,
            projection=memory.analogues.projection, components=4, decay=0.9375,
        )  # fmt: skip
        if recalled is not None:
            mixed += 1
            expected = 0.75 * expected + 0.25 * recalled
        torch.testing.assert_close(forecast, expected, rtol=1e-8, atol=1e-8)
    assert mixed == len(origins) - HORIZON - LEAST + 1


def test_until_twice_as_many_events_as_components_it_is_the_frozen_backbone() -> None:
    rows = stream()
    alike = [
        torch.equal(mixed, plain)
        for mixed, plain in zip(
            forecasts(analogue(), rows), forecasts(Frozen(former()), rows), strict=True
        )
    ]
    first = HORIZON + LEAST - 1
    assert alike == [True] * first + [False] * (len(alike) - first)


def weight_of(memory: SpectralAnalogue) -> float:
    return float(torch.sigmoid(memory.logit.detach()))


def walked(memory: SpectralAnalogue, rows: Tensor, skipped: set[int]) -> list[State]:
    """The state after each origin, where no forecast is asked for at those skipped."""
    state, states = memory.init_state(), []
    for t in range(FIRST, len(rows)):
        row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        with torch.no_grad():
            state = memory.observe(state, row, (past, target))
            if t not in skipped:
                _, state = memory.predict(state, window)
        states.append(state)
    return states


def test_a_target_is_stored_h_rows_after_its_window_and_only_if_that_was_forecast() -> None:
    states = walked(analogue(), stream()[: FIRST + 12], skipped={FIRST + 2, FIRST + 6})
    stored = [int(state["analogues/events/count"]) for state in states]
    assert HORIZON == 3
    assert stored == [0, 0, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7]


def test_what_is_stored_is_the_target_in_units_of_its_own_window() -> None:
    """One event: B = u^T v with u of unit length, so u B = v; a shift of the series by 5 and
    a scaling by 3 change nothing of v.
    """
    stored = []
    for rows in (stream(), 3 * stream() + 5):
        state = walked(analogue(), rows[: FIRST + HORIZON + 1], skipped=set())[-1]
        gram, cross = state["analogues/events/gram"], state["analogues/events/cross"]
        torch.testing.assert_close(gram.trace(), torch.ones_like(gram.trace()))
        window = rows[FIRST - LOOKBACK + 1 : FIRST + 1].double()
        target = rows[FIRST + 1 : FIRST + HORIZON + 1].double()
        scale = (window.var(0, correction=0) + 1e-5).sqrt()
        value = ((target - window.mean(0)) / scale).reshape(-1)
        length = torch.linalg.vector_norm(cross)
        torch.testing.assert_close(length, torch.linalg.vector_norm(value), rtol=1e-5, atol=0)
        u = cross @ value / value.square().sum()
        torch.testing.assert_close(torch.outer(u, value), cross, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.outer(u, u), gram, rtol=1e-4, atol=1e-5)
        stored.append(cross)
    # the constant beside the variance is not scaled
    torch.testing.assert_close(*stored, rtol=1e-3, atol=1e-3)


def test_keys_are_projected_by_orthonormal_columns_no_wider_than_a_summary() -> None:
    for wanted, width in ((6, 6), (32, 8)):
        projection = analogue(analogue_dim=wanted).analogues.projection
        assert projection.shape == (8, width)
        torch.testing.assert_close(projection.mT @ projection, torch.eye(width))


def test_more_components_than_a_key_is_wide_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="analogue_components: must be <= 8, the width of a"):
        analogue(analogue_dim=32, analogue_components=9)


def error_on_training_rows(rows: Tensor, weight: float) -> float:
    """Of a forecaster led over the training rows with this weight, once it mixes."""
    memory = analogue().double()
    with torch.no_grad():
        memory.logit.fill_(logit(weight))
    state, errors = memory.init_state(), []
    for t in range(LOOKBACK - 1, BORDER - HORIZON):
        with torch.no_grad():
            # of the pair before the first complete one only the target is looked at
            target = rows[t - HORIZON + 1 : t + 1]
            state = memory.observe(state, rows[t], (target, target))
            forecast, state = memory.predict(state, rows[t - LOOKBACK + 1 : t + 1])
        if state["analogues/events/count"] >= LEAST:
            errors.append((forecast - rows[t + 1 : t + 1 + HORIZON]).square().mean())
    return float(torch.stack(errors).mean())


def silently_fitted(rows: Tensor) -> SpectralAnalogue:
    """Fitted in float64 with steps so small that the backbone stays what it is."""
    memory = analogue(epochs=1, learning_rate=10.0).double()
    memory.fit(data(rows), generator())
    assert not memory.reads_tokens
    return memory


def test_the_weight_is_the_one_of_least_error_on_the_training_rows() -> None:
    rows = stream().double()
    weight = weight_of(silently_fitted(rows))
    assert 0.01 < weight < 0.99
    assert weight != pytest.approx(0.25, abs=1e-3)
    best = error_on_training_rows(rows, weight)
    for other in (weight - 0.005, weight + 0.005, 0.0001):
        assert error_on_training_rows(rows, other) > best


def test_a_stream_goes_on_where_the_training_rows_ended() -> None:
    """Without tokens a pass in chunks is a pass one by one: 1e-8 for batched products."""
    rows = stream().double()
    begun = silently_fitted(rows).init_state()
    memory = analogue().double()
    state = memory.init_state()
    for t in range(LOOKBACK - 1, BORDER - 1):
        with torch.no_grad():
            target = rows[t - HORIZON + 1 : t + 1]
            state = memory.observe(state, rows[t], (target, target))
            _, state = memory.predict(state, rows[t - LOOKBACK + 1 : t + 1])
    kept = [name for name in state if name.startswith("analogues/")]
    assert int(begun["analogues/events/count"]) == BORDER - HORIZON - LOOKBACK
    for name in kept:
        torch.testing.assert_close(begun[name], state[name], rtol=1e-8, atol=1e-8, msg=name)


def test_where_too_little_was_stored_to_judge_the_weight_stays() -> None:
    memory = analogue(former(), analogue_components=6, epochs=1)
    border = LOOKBACK + HORIZON + 2 * 6
    memory.fit(data(stream(), border), generator())
    assert weight_of(memory) == pytest.approx(0.25)


@torch.no_grad()
def test_it_reports_the_weight_it_uses() -> None:
    memory = reading(analogue())
    first = memory.report(memory.init_state())
    assert (float(first["analogue_weight"]), float(first["analogues"])) == (0, 0)
    *_, (_, state) = walk(memory, stream())
    last = memory.report(state)
    assert float(last["analogue_weight"]) == pytest.approx(0.25)
    assert float(last["analogues"]) == len(stream()) - FIRST - HORIZON
    assert float(last["rows"]) == len(stream()) - FIRST - 1
