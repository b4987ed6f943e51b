"""Replay: what is forecast anew, what is learned from it, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.adam import flatten
from memories.forecasters.hmem.hmem import HMem
from memories.forecasters.hmem.hmem_chrc import HMemCHRC
from memories.forecasters.hmem.hmem_snma import HMemSNMA
from memories.forecasters.hmem.state import within
from tests.memories.forecasters.backbones import pieces
from tests.memories.forecasters.hmem.streams import (
    CHANNELS,
    FIRST,
    HORIZON,
    LOOKBACK,
    build,
    stream,
    walk,
)


def weights_of(forecaster: HMem, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return forecaster.optimiser.weights(within(state, "training/"))


@torch.no_grad()
def replayed(forecaster: HMem, rows: Tensor, step: int, state: dict[str, Tensor]) -> Tensor:
    """The loss of the origin that becomes known at a step, for the state before it."""
    _, past, target, _ = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
    now = {**state, "step": state["step"] + 1}
    revealed = forecaster._revealed(now, HORIZON, forecaster.newest(past))
    loss, _ = forecaster.adapter.run(
        weights_of(forecaster, state),
        lambda adapter: forecaster._replay(adapter, now, revealed, revealed, past, target),
    )
    return loss


@pytest.mark.parametrize(
    "options",
    [
        {"chrc": False},
        {"replay": "cached", "min_entries": 2},
        {"replay": "masked", "min_entries": 2},
        {"surprise": "forecast", "chrc": False},
        {"scales": True, "chrc": False},
        {"replay": "cached", "min_entries": 2, "correction_ramp": 20},
        {"replay": "cached", "min_entries": 2, "correction_ramp": 20, "pogt_lag": 3},
    ],
    ids=str,
)
def test_with_unchanged_weights_a_replay_repeats_the_forecast_that_was_issued(options):
    """Its loss is the mean squared error of that forecast: exactly the adapted one without CHRC;
    with it cached evidence repeats the issued one, and so does masked recall while nothing that
    was found is evicted (capacity 128).
    """
    rows = stream()
    b_init = {} if "chrc" in options else {"b_init": "default"}
    forecaster = build(HMem, online_lr=0.0, warmup_steps=0, **b_init, **options)
    issued, checked = {}, 0
    before = forecaster.init_state()
    for step, _, forecast, state in walk(forecaster, rows, 30):
        issued[step] = forecast
        if step > HORIZON:
            t = FIRST - 1 + step
            truth = rows[t - HORIZON + 1 : t + 1]
            expected = (issued[step - HORIZON] - truth).square().mean()
            loss = replayed(forecaster, rows, step, before)
            torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
            checked += 1
        before = state
    assert checked == 26


def test_a_masked_replay_does_not_see_what_was_written_after_its_origin():
    """Values written later are replaced by something large: the loss does not change."""
    rows = stream()
    forecaster = build(HMemCHRC, online_lr=0.0, min_entries=2)
    *_, (step, _, _, state) = walk(forecaster, rows, 25)
    loss = replayed(forecaster, rows, step + 1, state)
    late = state["bank/time"] > step + 1 - HORIZON
    assert int(late.sum()) == HORIZON - 1
    for chosen, same in ((late, True), (~late, False)):
        values = torch.where(chosen[:, None], 1e3, state["bank/values"])
        other = replayed(forecaster, rows, step + 1, {**state, "bank/values": values})
        assert torch.equal(other, loss) == same


def test_a_target_that_is_not_finite_teaches_nothing_and_empties_the_fast_memory():
    """One NaN row spoils the targets of H origins: weights and moments stay, M is emptied, the
    bank takes none of them, each is counted, and afterwards all goes on.
    """
    rows = stream()
    broken = FIRST - 1 + 15
    rows[broken, 1] = torch.nan
    forecaster = build(HMem, online_lr=1e-3, warmup_steps=0, min_entries=2)
    state = forecaster.init_state()
    clean = stream()
    kept = [name for name in state if name.startswith("training/") and "revealed" not in name]
    with torch.no_grad():
        for step in range(1, 40):
            row, past, target, _ = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
            past = pieces(clean, FIRST - 1 + step, LOOKBACK, HORIZON)[1]
            window = pieces(clean, FIRST - 1 + step, LOOKBACK, HORIZON)[3]
            before = state
            state = forecaster.observe(state, row, (past, target))
            spoilt = 15 <= step < 15 + HORIZON
            assert all(torch.equal(state[name], before[name]) for name in kept) == (
                spoilt or step <= HORIZON
            )
            if spoilt:
                empty = forecaster.adapter.snma.init_state()
                assert all(torch.equal(state["snma/" + k], v) for k, v in empty.items())
                assert bool(before["snma/M"].any())
            missed = min(max(0, step - 14), HORIZON)
            assert int(state["bank/count"]) == max(0, step - HORIZON) - missed
            assert int(state["report/n_nan"]) == missed
            forecast, state = forecaster.predict(state, window)
            assert forecast.isfinite().all()
            assert all(entry.isfinite().all() for entry in state.values())


def test_low_rank_weights_that_are_not_finite_leave_the_backbones_forecast():
    rows = stream()
    forecaster = build(HMemSNMA, b_init="default", lora_ema=0.5)
    *_, (_, observed, adapted, _) = walk(forecaster, rows, 10)
    window = pieces(rows, FIRST - 1 + 10, LOOKBACK, HORIZON)[3]
    with torch.no_grad():
        base = forecaster.backbone(window[None])[0]
        assert not torch.equal(adapted, base)
        spoilt = {**observed, "snma/M": torch.full_like(observed["snma/M"], torch.nan)}
        spoilt["lora_ema"] = torch.zeros_like(observed["lora_ema"])
        forecast, after = forecaster.predict(spoilt, window)
    torch.testing.assert_close(forecast, base, rtol=0, atol=1e-6)
    assert after["lora_ema"].isfinite().all()


def histories(forecaster: HMem, steps: int) -> dict[str, list[Tensor]]:
    """The weights of each part after every step."""
    seen: dict[str, list[Tensor]] = {name: [] for name in forecaster.adapter.parts}
    for _, observed, _, _ in walk(forecaster, stream(), steps):
        for name, weights in weights_of(forecaster, observed).items():
            seen[name].append(weights)
    return seen


@pytest.mark.parametrize("warmup_chrc", ["off", "frozen"])
def test_in_the_warm_up_snma_learns_and_chrc_does_not(warmup_chrc):
    """Step s is training step s - H: with ten of them CHRC first moves at step H + 11. With
    ``off`` it corrects nothing until then, with ``frozen`` as soon as two errors are there.
    """
    options = {"online_lr": 1e-3, "warmup_steps": 10, "min_entries": 2, "refiner_init": "default"}
    forecaster = build(HMem, warmup_chrc=warmup_chrc, **options)
    start = forecaster.adapter.vectors()
    for name, history in histories(forecaster, HORIZON + 14).items():
        moved = [step for step, w in enumerate(history, 1) if not torch.equal(w, start[name])]
        first = HORIZON + 1 if name == "snma" else HORIZON + 11
        assert moved == list(range(first, HORIZON + 15))
    corrected = [
        step
        for step, _, _, state in walk(forecaster, stream(), HORIZON + 14)
        if float(state["report/correction_rms"]) > 0
    ]
    first = HORIZON + (10 if warmup_chrc == "off" else 2)
    assert corrected == list(range(first, HORIZON + 15))


def test_conditional_training_steps_at_every_nth_target_and_stores_all():
    options = {"online_lr": 1e-3, "warmup_steps": 0, "train_every": 3}
    for step, observed, _, _ in walk(build(HMem, **options), stream(), 30):
        complete = max(0, step - HORIZON)
        assert int(observed["training/trained"]) == complete // 3
        assert int(observed["bank/count"]) == complete


def test_the_backbone_learns_only_where_it_is_not_frozen():
    """At a tenth of the rate, after the warm-up; its weights are state and not changed in place."""
    options: dict[str, Any] = {"online_lr": 1e-2, "warmup_steps": 3}
    frozen, free = build(HMem, **options), build(HMem, freeze=False, **options)
    assert free.adapter.parts == (*frozen.adapter.parts, "backbone")
    before = [p.clone() for p in free.backbone.parameters()]
    history = histories(free, 12)["backbone"]
    start = flatten(free.backbone)
    moved = [step for step, w in enumerate(history, 1) if not torch.equal(w, start)]
    assert moved == list(range(HORIZON + 4, 13))
    first = (history[HORIZON + 3] - start).abs()
    torch.testing.assert_close(first.max(), torch.tensor(1e-3), rtol=0.05, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(before, free.backbone.parameters(), strict=True))


def test_the_penalty_counts_only_where_adaptation_loses_to_the_backbone():
    """At an origin whose adapted forecast has MSE a against the backbone's b, weight w adds
    w max(0, a - b) to the loss.
    """
    rows = stream()
    losses = {}
    for weight in (0.0, 0.5):
        options = {"b_init": "default", "alpha": 0.5, "gain_penalty": weight}
        forecaster = build(HMemSNMA, online_lr=0.0, **options)
        before, losses[weight] = forecaster.init_state(), []
        for step, _, _, state in walk(forecaster, rows, 30):
            if step > HORIZON:
                losses[weight].append(replayed(forecaster, rows, step, before))
            before = state
    base = []
    for step in range(HORIZON + 1, 31):
        _, past, target, _ = pieces(rows, FIRST - 1 + step, LOOKBACK, HORIZON)
        base.append((forecaster.backbone(past[None])[0] - target).square().mean())
    plain, penalised, unadapted = (
        torch.stack(losses[0.0]),
        torch.stack(losses[0.5]),
        torch.stack(base),
    )
    expected = plain + 0.5 * (plain - unadapted).clamp(min=0)
    torch.testing.assert_close(penalised, expected, rtol=1e-5, atol=1e-6)
    assert 0 < int((plain > unadapted).sum()) < len(plain)


def test_training_the_surprise_makes_reconstruction_better():
    """With its own loss the reconstruction's error falls; without one it gets no gradient."""
    rows = stream()

    def rho(weight: float) -> Tensor:
        forecaster = build(
            HMemSNMA, online_lr=1e-2, surprise_loss_weight=weight, clip=None, weight_decay=0.0
        )
        *_, (_, _, _, state) = walk(forecaster, rows, 80)

        def measured(adapter: Any) -> Tensor:
            found = [
                adapter.snma(
                    forecaster.adapter.snma.init_state(), rows[t : t + 2], torch.zeros(2, CHANNELS)
                )[2]["rho"]
                for t in range(40)
            ]
            return torch.stack(found).mean()

        with torch.no_grad():
            return forecaster.adapter.run(weights_of(forecaster, state), measured)

    assert rho(1.0) < 0.5 * rho(0.0)


def test_the_state_names_what_it_holds():
    forecaster = build(HMem)
    state = forecaster.init_state()
    parts = {name.split("/")[0] for name in state}
    assert parts == {"training", "snma", "bank", "ring", "report", "step", "issued"}
    for part in ("snma", "chrc"):
        weights = flatten(getattr(forecaster.adapter, part))
        assert torch.equal(state[f"training/{part}/weights"], weights)
    assert within(state, "snma/").keys() == {"M", "age", "mu", "var"}
