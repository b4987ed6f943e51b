"""The error bank: what is written when, and what a recalled error does to a forecast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from bench.reading import values
from bench.running import construct
from memories.base import AssociativeMemory, State, protocol_of
from memories.forecasters.retrieval.errorbank import ErrorBank
from memories.slots.exact_knn import ExactKnn
from tests.memories.forecasters.backbones import Newest, pieces

LOOKBACK, HORIZON, CHANNELS = 8, 4, 1
FIRST = 7
"""First origin: the first whole window."""


class Ledger(AssociativeMemory):
    """Keeps every event in order and recalls the newest value.

    Args:
        key_dim: D.
        value_dim: V.
        max_events: Events it has room for.
    """

    def __init__(self, key_dim: int, value_dim: int, max_events: int) -> None:
        super().__init__()
        self.key_dim, self.value_dim, self.room = key_dim, value_dim, max_events

    def init_state(self) -> State:
        return {
            "keys": torch.zeros(self.room, self.key_dim),
            "values": torch.zeros(self.room, self.value_dim),
            "count": torch.zeros((), dtype=torch.int64),
        }

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        here = (torch.arange(self.room) == state["count"])[:, None]
        return {
            "keys": torch.where(here, keys, state["keys"]),
            "values": torch.where(here, values, state["values"]),
            "count": state["count"] + 1,
        }

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        newest = (torch.arange(self.room) == state["count"] - 1)[:, None]
        return (newest * state["values"]).sum(0).expand(len(queries), -1)


def ledger(**dictated: Any) -> Ledger:
    return Ledger(dictated["key_dim"], dictated["value_dim"], dictated["max_events"])


def bank(memory: Any = ledger, channels: int = CHANNELS, **params: Any) -> ErrorBank:
    generator = torch.Generator().manual_seed(0)
    backbone = Newest(HORIZON, channels)
    return ErrorBank(
        channels, LOOKBACK, HORIZON, backbone, memory=memory, generator=generator, **params
    )


def walk(
    forecaster: ErrorBank, rows: Tensor, *, skipped: frozenset[int] = frozenset(), until: int = 0
) -> Iterator[tuple[int, State, Tensor | None]]:
    """Origin, state after it and forecast; at skipped origins none is asked for.

    Before the first pair exists (t < L + H - 1) its rows are those the series begins with.
    """
    state = forecaster.init_state()
    padded = torch.cat([rows[:1].expand(HORIZON, -1), rows])
    for t in range(FIRST, until or len(rows)):
        row, past, target, window = pieces(padded, t + HORIZON, LOOKBACK, HORIZON)
        with torch.no_grad():
            state = forecaster.observe(state, row, (past, target))
            forecast = None
            if t not in skipped:
                forecast, state = forecaster.predict(state, window)
        yield t, state, forecast


def numbered(n: int = 30) -> Tensor:
    """Rows t^2: every residual of `Newest` is different."""
    return torch.arange(n, dtype=torch.float32)[:, None] ** 2


def residual(rows: Tensor, origin: int) -> Tensor:
    """What the newest row gets wrong at an origin, lead by lead."""
    return (rows[origin + 1 : origin + HORIZON + 1] - rows[origin]).flatten()


def test_the_timeline_of_a_bank_with_four_leads_and_keys_of_two_rows():
    """First origin 7; its target 8..11 is complete at 11: sizes 0 0 0 0 1 2 3, and so on."""
    sizes = {t: int(state["bank/count"]) for t, state, _ in walk(bank(), numbered(), until=16)}
    assert sizes == {7: 0, 8: 0, 9: 0, 10: 0, 11: 1, 12: 2, 13: 3, 14: 4, 15: 5}


def test_what_is_written_at_t_is_the_key_and_the_error_of_origin_t_minus_h():
    """Key: rows 6, 7 of origin 7; value: rows 8..11 minus the forecast issued at 7, row 7."""
    rows = numbered()
    forecaster = bank()
    assert forecaster.key_rows == 2
    for t, state, _ in walk(forecaster, rows, until=20):
        for entry in range(int(state["bank/count"])):
            origin = FIRST + entry
            assert origin + HORIZON <= t
            key, value = state["bank/keys"][entry], state["bank/values"][entry]
            assert torch.equal(key, rows[origin - 1 : origin + 1].flatten())
            assert torch.equal(value, residual(rows, origin))


def test_the_error_stored_is_the_backbones_and_not_the_corrected_forecasts():
    """With the correction on, a bank of corrected errors would store other values."""
    rows = numbered()
    *_, (_, state, forecast) = walk(bank(max_correction=1e9), rows, until=20)
    assert not torch.equal(forecast, rows[19].expand(HORIZON, 1))
    assert torch.equal(state["bank/values"][7], residual(rows, FIRST + 7))


def test_nothing_is_stored_for_an_origin_without_a_forecast():
    """A stride of two: forecasts at 7, 9, 11, ...: written at 11, 13, 15, in this order."""
    rows = numbered()
    even = frozenset(range(8, 30, 2))
    sizes = {}
    for t, state, _ in walk(bank(), rows, skipped=even, until=18):
        sizes[t] = int(state["bank/count"])
    assert sizes == {7: 0, 8: 0, 9: 0, 10: 0, 11: 1, 12: 1, 13: 2, 14: 2, 15: 3, 16: 3, 17: 4}
    for entry, origin in enumerate((7, 9, 11, 13)):
        assert torch.equal(state["bank/values"][entry], residual(rows, origin))


def test_an_old_forecast_in_the_ring_is_not_taken_for_a_later_origins():
    """One gap of a whole horizon: slots then hold forecasts of 2H origins ago."""
    rows = numbered()
    gap = frozenset(range(12, 17))
    *_, (_, state, _) = walk(bank(), rows, skipped=gap, until=25)
    origins = [7, 8, 9, 10, 11, 17, 18, 19, 20]
    assert int(state["bank/count"]) == len(origins)
    for entry, origin in enumerate(origins):
        assert torch.equal(state["bank/values"][entry], residual(rows, origin))


def test_a_correction_is_the_recalled_error_times_the_strength():
    rows = numbered()
    for strength in (0.0, 0.5, 1.0):
        forecaster = bank(strength=strength, max_correction=1e9)
        *_, (t, state, forecast) = walk(forecaster, rows, until=20)
        recalled = residual(rows, t - HORIZON)[:, None]
        assert torch.equal(forecast, rows[t] + strength * recalled)
        assert int(state["stored"]) == t - HORIZON - FIRST + 1


@pytest.mark.parametrize("limit", [0.5, 3.0])
def test_a_correction_never_exceeds_its_limit(limit):
    rows = numbered()
    for t, _, forecast in walk(bank(max_correction=limit), rows):
        correction = forecast - rows[t]
        assert correction.abs().max() <= limit + 1e-4
    assert torch.equal(correction, torch.full((HORIZON, 1), limit))


@pytest.mark.parametrize("needed", [1, 2, 10])
def test_the_first_corrected_forecast_waits_for_enough_errors(needed):
    """The n-th error is stored at t0 + H + n - 1, and corrects the forecast of that origin."""
    rows = numbered()
    corrected = [
        t
        for t, _, forecast in walk(bank(min_entries=needed), rows)
        if not torch.equal(forecast, rows[t].expand(HORIZON, 1))
    ]
    assert corrected[0] == FIRST + HORIZON + needed - 1
    assert corrected == list(range(corrected[0], len(rows)))


def test_a_periodic_error_is_corrected_exactly_after_one_period():
    """Period 6, exact search for one neighbour: keys of two rows tell the phases apart, and an
    error of the same phase was stored by t0 + H + 5. Zero but for rounding.
    """
    t = torch.arange(60, dtype=torch.float32)
    rows = torch.stack([torch.sin(torch.pi * t / 3), torch.cos(torch.pi * t / 3 + 0.5)], dim=1)

    def knn(**dictated: Any) -> ExactKnn:
        given = {name: dictated[name] for name in ("key_dim", "value_dim", "max_events")}
        return ExactKnn(**given, k=1)

    for origin, _, forecast in walk(bank(knn, channels=2), rows, until=50):
        truth = rows[origin + 1 : origin + HORIZON + 1]
        if origin >= FIRST + HORIZON + 5:
            torch.testing.assert_close(forecast, truth, rtol=0, atol=1e-5)
        elif origin < FIRST + HORIZON:
            assert (forecast - truth).abs().max() > 0.5


@pytest.mark.parametrize(
    ("ratio", "rows"), [(0.5, 2), (0.25, 1), (0.01, 1), (1.0, 4), (2.0, 8), (9.0, 8)]
)
def test_keys_are_a_share_of_the_horizon_at_least_a_row_and_at_most_a_window(ratio, rows):
    forecaster = bank(key_ratio=ratio, channels=3)
    assert forecaster.key_rows == rows
    assert forecaster.bank.key_dim == rows * 3
    assert forecaster.bank.value_dim == HORIZON * 3
    assert forecaster.bank.room == 1000


def associative() -> list[str]:
    entries = registry.entries("memory")
    return [e.name for e in entries if protocol_of(e.cls) == "associative"]


@pytest.mark.parametrize("name", associative())
def test_any_associative_memory_serves_as_bank(name):
    """Finite and clamped over 26 noisy rows, 6 more than it holds, lane by lane and stacked; it
    corrects something unless it recalls nothing.
    """
    end = 38
    entry = registry.get("memory", "errorbank")
    params, wrong = values.resolve(entry, {"memory": name, "capacity": 20})
    assert not wrong
    rng = torch.Generator().manual_seed(4)
    rows = torch.randn(2, 60, 2, generator=rng)
    dictated = {"channels": 2, "lookback": LOOKBACK, "horizon": HORIZON}
    banks = [
        construct.build_memory(
            "errorbank",
            params,
            dictated | {"backbone": Newest(HORIZON, 2)},
            torch.Generator().manual_seed(seed),
        )
        for seed in range(2)
    ]
    lanes = Lanes(banks)
    state = lanes.init_state()
    corrections = []
    for t in range(LOOKBACK + HORIZON, end):
        cut = [pieces(r, t, LOOKBACK, HORIZON) for r in rows]
        row, past, target, window = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (past, target))
        forecast, state = lanes.predict(state, window, horizon=HORIZON)
        corrections.append(forecast - rows[:, t : t + 1])
    seen = torch.stack(corrections)
    assert seen.isfinite().all()
    assert seen.abs().max() <= 5 + 1e-5
    assert (seen[:HORIZON] == 0).all()
    # the table answers exact matches alone, and no two windows are equal
    assert bool((seen[HORIZON:] != 0).any()) == (name not in ("zero", "oracle-table"))
    assert state["stored"].tolist() == [end - LOOKBACK - 2 * HORIZON] * 2
    for reported in lanes.call("report", state).values():
        assert reported.shape == (2,)
        assert reported.isfinite().all()
