"""The newest errors as a correction, and H-Mem's own bank as the default of an error bank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from bench.reading import params, values
from bench.running import construct
from memories.base import OnlineForecaster, State
from memories.forecasters.retrieval.default_bank import DefaultBank
from memories.forecasters.retrieval.errorbank import PLAIN_SOFT, ErrorBank
from memories.forecasters.retrieval.recent import Recent
from memories.slots.error_memory_bank import ErrorMemoryBank
from tests.memories.forecasters.backbones import Newest, pieces
from tests.reference import retrieval_forecast as loop

LOOKBACK, HORIZON, CHANNELS = 8, 4, 2
FIRST = LOOKBACK + HORIZON


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stream(seed: int = 1, n: int = 70) -> Tensor:
    return torch.randn(n, CHANNELS, generator=rng(seed)).cumsum(0) * 0.3


def built(cls: Callable[..., OnlineForecaster], **settings: Any) -> OnlineForecaster:
    backbone = Newest(HORIZON, CHANNELS)
    return cls(CHANNELS, LOOKBACK, HORIZON, backbone, generator=rng(), **settings)


def led(forecaster: OnlineForecaster, rows: Tensor) -> tuple[list[Tensor], State]:
    """Forecasts of all origins from the first, and the state after the last."""
    state, forecasts = forecaster.init_state(), []
    with torch.no_grad():
        for t in range(FIRST, len(rows)):
            row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
            state = forecaster.observe(state, row, (past, target))
            forecast, state = forecaster.predict(state, window)
            forecasts.append(forecast)
    return forecasts, state


def check(
    forecasts: list[Tensor], rows: Tensor, correction: Callable[[int, Any], Tensor | float]
) -> None:
    """Each forecast is the newest row plus the correction of the errors known by then."""
    for t, forecast in enumerate(forecasts, FIRST):
        known = loop.errors_known(rows, FIRST, t, HORIZON, lambda origin: rows[origin])
        expected = rows[t].expand(HORIZON, -1) + correction(t, known)
        torch.testing.assert_close(forecast, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "settings",
    [{}, {"top_k": 1, "min_entries": 1}, {"top_k": 3, "decay": 0.5, "temperature": 1.0}],
)
def test_the_newest_errors_are_averaged_as_the_definition_says(settings):
    own = {"top_k": 5, "decay": 0.995, "temperature": 0.1, "min_entries": 10, **settings}
    needed = own.pop("min_entries")
    forecasts, _ = led(built(Recent, max_correction=1e9, **settings), rows := stream())
    check(forecasts, rows, lambda t, known: loop.by_recency(known, needed=needed, **own))


def test_a_correction_by_the_newest_errors_does_not_depend_on_what_was_observed():
    """Two windows that end in one row: the backbone sees that row alone, the bank sees nothing."""
    forecaster = built(Recent)
    _, state = led(forecaster, rows := stream())
    window = rows[-LOOKBACK:]
    other = torch.cat([torch.randn(LOOKBACK - 1, CHANNELS, generator=rng(5)), window[-1:]])
    seen = [forecaster.predict(state, w)[0] for w in (window, other)]
    assert torch.equal(*seen)
    assert not torch.equal(seen[0], window[-1:].expand(HORIZON, -1))


def test_only_the_errors_that_can_be_recalled_are_kept():
    forecaster = built(Recent, top_k=3)
    _, state = led(forecaster, rows := stream())
    newest = [rows[o + 1 : o + HORIZON + 1] - rows[o] for o in range(63, 66)]
    assert len(rows) - 1 - HORIZON == 65
    stored = state["bank/values"][state["bank/index"].argsort()]
    torch.testing.assert_close(stored, torch.stack(newest).flatten(1), rtol=0, atol=0)
    assert int(state["stored"]) == 65 - FIRST + 1


@pytest.mark.parametrize("capacity", [1000, 12])
def test_an_error_bank_by_itself_is_a_softmax_over_five_similar_errors(capacity):
    forecasts, _ = led(built(ErrorBank, max_correction=1e9, capacity=capacity), rows := stream())
    check(
        forecasts,
        rows,
        lambda t, known: loop.by_similarity(rows, t, known, key_rows=2, capacity=capacity),
    )


def test_the_default_bank_is_the_registered_one_with_its_preset():
    """Built in Python, named in a suite, or left out: one memory, one set of parameters."""
    entry = registry.get("memory", "errorbank")
    named = {"name": "error-memory-bank", "params": {"preset": "plain-soft"}}
    resolved = [values.resolve(entry, given) for given in ({}, {"memory": named})]
    assert resolved[0] == resolved[1]
    settings, wrong = resolved[0]
    assert wrong == []
    assert settings["memory"]["params"]["preset"] == "plain-soft"
    sizes = {"channels": CHANNELS, "lookback": LOOKBACK, "horizon": HORIZON}
    dictated = sizes | {"backbone": Newest(HORIZON, CHANNELS)}
    by_suite = construct.build_memory("errorbank", settings, dictated, rng())
    in_python = built(ErrorBank)
    assert isinstance(in_python.bank, ErrorMemoryBank)
    rows = stream()
    assert all(map(torch.equal, led(by_suite, rows)[0], led(in_python, rows)[0]))
    (parameter,) = (p for p in params.of(entry) if p.name == "memory")
    assert str(parameter.default) == "error-memory-bank[preset=plain-soft]"
    assert str(DefaultBank()) == "error-memory-bank"
    other = values.resolve(entry, {"memory": "error-memory-bank"})[0]
    assert other["memory"]["params"]["preset"] == "plain"


def test_a_default_bank_takes_what_a_slot_dictates():
    made = PLAIN_SOFT(key_dim=3, value_dim=2, context_dim=0, max_events=7, generator=rng())
    assert (made.key_dim, made.value_dim, made.capacity, made.top_k) == (3, 2, 7, 5)


def test_a_report_says_how_full_the_bank_is_and_how_old_what_it_recalled():
    """Of `recent` with T = 1e9 the mean age of the newest five, weighed alike, is 3."""
    forecaster = built(Recent, temperature=1e9)
    _, state = led(forecaster, stream())
    report = forecaster.report(state)
    assert {name: float(value) for name, value in report.items()} == pytest.approx(
        {"bank_utilisation": 1, "retrieved_age": 3}, abs=1e-5
    )
    new = forecaster.report(forecaster.init_state())
    assert {float(value) for value in new.values()} == {0}


def test_the_age_in_a_report_is_that_of_the_newest_forecasts_errors():
    """One slot per error and one neighbour: the age is counted from the error of origin t - H."""
    forecaster = built(ErrorBank, memory=DefaultBank({"top_k": 1}))
    rows = stream()
    _, state = led(forecaster, rows)
    report = forecaster.report(state)
    keys = torch.stack([rows[o - 1 : o + 1].flatten() for o in range(FIRST, 66)])
    keys = torch.nn.functional.normalize(keys, dim=-1)
    nearest = int((keys @ rows[-2:].flatten()).argmax())
    assert float(report["retrieved_age"]) == len(keys) - nearest
    assert float(report["bank_utilisation"]) == pytest.approx(len(keys) / 1000)


def test_reports_and_forecasts_of_lanes_are_those_of_single_runs():
    rows = [stream(seed) for seed in range(3)]
    for cls in (ErrorBank, Recent):
        forecasters = [built(cls) for _ in range(3)]
        lanes = Lanes(forecasters)
        state = lanes.init_state()
        for t in range(FIRST, 40):
            cut = [pieces(r, t, LOOKBACK, HORIZON) for r in rows]
            row, past, target, window = (torch.stack(part) for part in zip(*cut, strict=True))
            state = lanes.observe(state, row, (past, target))
            forecast, state = lanes.predict(state, window, horizon=HORIZON)
        together = lanes.call("report", state)
        for lane, forecaster in enumerate(forecasters):
            forecasts, alone = led(forecaster, rows[lane][:40])
            torch.testing.assert_close(forecast[lane], forecasts[-1], rtol=1e-5, atol=1e-5)
            for name, value in forecaster.report(alone).items():
                torch.testing.assert_close(together[name][lane], value, rtol=1e-4, atol=1e-4)
