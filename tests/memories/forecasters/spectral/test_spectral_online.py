"""Spectral memory at every row of a stream: against a loop, at its limits, in lanes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.audit import forecaster as audit
from bench.audit.run import Fitted
from bench.lanes import Lanes
from memories.base import InvalidParameter, Unsuitable
from memories.forecasters.online.frozen import Frozen
from tests.bench.conftest import clean_plugins  # noqa: F401 - what the next one takes
from tests.cli.conftest import Memb, memb  # noqa: F401 - a fixture for the tests here too
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.online.walks import (
    FIRST,
    HORIZON,
    LOOKBACK,
    dlinear,
    forecasts,
    generator,
    walk,
)
from tests.memories.forecasters.spectral.encoders import (
    ENCODERS,
    analogue,
    former,
    inverted,
    online,
    reading,
    stream,
)
from tests.reference import spectral_online as reference

encoders = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)

SUITE = """
name: nile
seeds: 1
memories: [spectral-online, spectral-analogue]
tasks:
  - {name: online-tsf, params: {dataset: sm-nile, horizon: 3, lookback: 8}}
"""


def windows_of(rows: Tensor) -> list[Tensor]:
    return [rows[t - LOOKBACK + 1 : t + 1] for t in range(FIRST, len(rows))]


@encoders
def test_before_fit_it_is_the_frozen_backbone_bit_for_bit(encoder: Any) -> None:
    rows = stream()
    assert torch.equal(forecasts(online(encoder()), rows), forecasts(Frozen(encoder()), rows))


@encoders
@pytest.mark.parametrize("window", [3000, 10])
def test_a_stream_is_forecast_as_by_a_list_of_rows(encoder: Any, window: int) -> None:
    """In float64; sums that are kept up to date and sums made anew differ by rounding, which the
    inverse of a small gap between eigenvalues may raise: 1e-8. With room for 10 of 62 rows all but
    the newest are evicted.
    """
    rows = stream().double()
    memory = reading(online(encoder(), window=window).double())
    seen = list(walk(memory, rows))
    model = memory.model
    with torch.no_grad():
        expected = reference.walk(
            model.encoder, model.memory.head, windows_of(rows), 4, capacity=window
        )
    for (forecast, state), (known, row) in zip(seen, expected, strict=True):
        torch.testing.assert_close(forecast, known, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(state["pend"], row, rtol=1e-8, atol=1e-8)
    silent = forecasts(Frozen(encoder().double()), rows)
    assert (torch.stack([forecast for forecast, _ in seen]) - silent)[10:].abs().max() > 1e-3


def test_a_window_leaves_a_row_that_is_stored_when_the_next_forecast_is_due() -> None:
    rows = stream()
    memory = reading(online())
    state = memory.init_state()
    assert not state["has_pend"]
    before = None
    for step, t in enumerate(range(FIRST, FIRST + 8)):
        row, past, target, window = pieces(rows, t, LOOKBACK, HORIZON)
        observed = memory.observe(state, row, (past, target))
        assert all(torch.equal(entry, state[name]) for name, entry in observed.items())
        _, state = memory.predict(observed, window)
        assert state["has_pend"]
        assert int(state["memory/count"]) == step
        if before is not None:
            assert torch.equal(state["memory/rows"][step - 1], before)
        assert not state["memory/rows"][step:].any()
        before = state["pend"]


def test_what_is_pending_reaches_the_next_forecast_and_nothing_else_does() -> None:
    rows = stream()
    memory = reading(online())
    *_, (_, state) = walk(memory, rows[: FIRST + 20])
    window = rows[-LOOKBACK:]
    forecast, after = memory.predict(state, window)
    for other in ({"pend": 1 - state["pend"]}, {"has_pend": torch.tensor(False)}):
        changed, _ = memory.predict({**state, **other}, window)
        assert not torch.allclose(forecast, changed)
    committed, _ = memory.predict({**after, "has_pend": torch.tensor(False)}, window)
    assert torch.equal(forecast, committed)


@pytest.mark.parametrize("make", [online, analogue], ids=["spectral-online", "spectral-analogue"])
@encoders
def test_lanes_equal_single_runs(make: Any, encoder: Any) -> None:
    """Batched products may sum in another order, hence 1e-5 over 20 steps."""
    built = [reading(make(encoder(seed), seed)) for seed in (1, 2, 3)]
    built[2].reads_tokens.fill_(False)
    streams = [stream(seed) for seed in (2, 3, 4)]
    lanes = Lanes(built)
    state = lanes.init_state()
    for t in range(FIRST, FIRST + 20):
        cut = [pieces(rows, t, LOOKBACK, HORIZON) for rows in streams]
        row, past, target, newest = (torch.stack(part) for part in zip(*cut, strict=True))
        state = lanes.observe(state, row, (past, target))
        together, state = lanes.predict(state, newest, horizon=HORIZON)
    for lane, (memory, rows) in enumerate(zip(built, streams, strict=True)):
        alone = forecasts(memory, rows[: FIRST + 20])[-1]
        torch.testing.assert_close(together[lane], alone, rtol=1e-5, atol=1e-5)


def sized(make: Any, seed: int) -> Any:
    """At the sizes of the audit, on a small encoder."""
    from memories.backbones.spectral_former import SpectralFormer

    encoder = SpectralFormer(
        audit.CHANNELS, audit.LOOKBACK, audit.HORIZON, width=8, heads=2, feedforward=8, layers=1,
        generator=generator(seed),
    )  # fmt: skip
    own: dict[str, Any] = {"components": 4, "epochs": 2, "learning_rate": 1e-2}
    sizes: tuple[int, ...] = (audit.LOOKBACK, audit.HORIZON)
    if make is analogue:
        sizes = (audit.CHANNELS, *sizes)
        own |= {"analogue_dim": 6, "analogue_components": 3}
    kind = type(make())
    return kind(*sizes, encoder, generator=generator(seed), **own)


@pytest.mark.parametrize(
    "make", [pytest.param(online, marks=pytest.mark.slow), analogue], ids=["online", "analogue"]
)
def test_every_law_of_the_audit_holds_once_tokens_are_read(make: Any) -> None:
    fitted = Fitted(lambda seed, _rows: sized(make, seed))
    for law in audit.LAWS:
        assert law.verdict(fitted).outcome == "held", law.name
    assert fitted(0, audit.stream(0)).reads_tokens
    assert audit.FIT.verdict(fitted.build).outcome == "held"


@pytest.mark.parametrize("make", [online, analogue], ids=["spectral-online", "spectral-analogue"])
def test_a_backbone_without_room_for_tokens_is_unsuitable(make: Any) -> None:
    with pytest.raises(Unsuitable, match="DLinear takes no memory tokens; spectral-former and itr"):
        make(dlinear())


@pytest.mark.slow
def test_on_such_a_backbone_a_run_skips_both_and_says_why(
    memb: Memb,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "nile.yaml").write_text(SUITE, encoding="utf-8")
    done = memb("run", "nile.yaml")
    assert done.code == 0
    assert "2 skipped" in done.err
    shown = memb("compare", "results/nile", "--format", "csv")
    assert shown.code == 0, shown.err
    assert shown.out.count("skipped") >= 2
    assert "skipped: spectral-online, spectral-analogue on online-tsf: DLinear takes no" in (
        memb("compare", "results/nile").out
    )


def test_settings_of_the_memory_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="window: must be >= 16"):
        online(components=16, window=15)
    with pytest.raises(InvalidParameter, match="head: 'anchor' reads directions"):
        online(kernel="exp")


def test_a_time_kernel_and_a_dense_head_forecast_too() -> None:
    rows = stream()
    for params in ({"kernel": "exp", "head": "mix", "window": 20}, {"head": "dense"}):
        seen = forecasts(reading(online(inverted(), **params)), rows)
        assert seen.isfinite().all()
        assert not torch.allclose(seen, forecasts(Frozen(inverted()), rows))


def test_it_reports_how_many_rows_it_holds_and_which_of_the_two_forecasts() -> None:
    memory = online(window=10)
    *_, (_, state) = walk(memory, stream())
    assert {n: float(v) for n, v in memory.report(state).items()} == {"rows": 10, "trained": 0}
    assert float(reading(memory).report(state)["trained"]) == 1


def test_the_shared_backbone_is_never_touched() -> None:
    shared = former()
    memory = online(shared)
    assert memory.model.encoder is not shared
    with torch.no_grad():
        memory.model.encoder.get_parameter("projection.bias").add_(1)
    assert torch.equal(
        shared.get_parameter("projection.bias"), former().get_parameter("projection.bias")
    )
