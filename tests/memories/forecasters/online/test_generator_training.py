"""How PROCEED's generator is trained before the stream begins."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memories.adam import flatten
from memories.base import InvalidParameter
from memories.forecasters.online import generator_training
from memories.forecasters.online.drift_adapter import DriftAdapter
from memories.forecasters.online.generator_training import BATCH, GeneratorTraining, Pairs
from memories.forecasters.online.modulation import Modulation
from memories.forecasters.online.proceed import Proceed
from memories.forecasters.online.proceed_full import ProceedFull
from tests.memories.forecasters.online.adapters import reference_adapter, trained_at_random
from tests.memories.forecasters.online.layered import Layered, RowsFirst, layered
from tests.memories.forecasters.online.walks import CHANNELS, HORIZON, LOOKBACK, generator, stream
from tests.reference import proceed as reference

SIZE = (LOOKBACK, HORIZON)


def drifting(n: int, seed: int = 5) -> Tensor:
    """Rows [n, 1] of a wave around a level, both of which change every 40 rows."""
    rng = generator(seed)
    t = torch.arange(n)
    levels = 2 * torch.randn(n // 40 + 1, generator=rng)[t // 40]
    speeds = 0.2 + 0.6 * torch.rand(n // 40 + 1, generator=rng)[t // 40]
    return (levels + torch.sin(speeds * t) + 0.05 * torch.randn(n, generator=rng))[:, None]


def data(rows: Tensor, a: int) -> dict[str, Tensor]:
    return {"train": rows[:a], "validation": rows[a:]}


def made(backbone: nn.Module, kind: type[Proceed] = Proceed, **options: Any) -> Proceed:
    sizes = {"concept_dim": 5, "bottleneck": 3}
    return kind(LOOKBACK, HORIZON, backbone, generator=generator(), **(sizes | options))


def training(
    backbone: nn.Module, rows: Tensor, *, joint: bool = False
) -> tuple[GeneratorTraining, DriftAdapter]:
    modulation = Modulation(backbone)
    adapter = DriftAdapter(modulation, *SIZE, 5, 3, generator()).to(rows.dtype)
    trained_at_random(adapter)
    run = GeneratorTraining(
        backbone,
        adapter,
        modulation,
        Pairs(rows, *SIZE),
        joint=joint,
        learning_rate=1e-2,
        generator=generator(4),
    )
    return run, adapter


class Recorded(Pairs):
    """Keeps the origins that were asked for."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[list[int]] = []

    def at(self, origins: Any) -> Tensor:
        self.asked.append([int(t) for t in origins])
        return super().at(origins)


def test_an_epoch_trains_the_generator_as_loops_over_samples_with_torchs_adam_do():
    """Four batches in float64; each is measured from the one before, the first from zeros."""
    rows = stream().double()
    backbone = layered().double().eval()
    run, adapter = training(backbone, rows)
    run.pairs = recorded = Recorded(rows, *SIZE)
    loops, loops_adapter = training(backbone, rows)
    origins = range(LOOKBACK - 1, LOOKBACK - 1 + 3 * BATCH + 5)
    run.epoch(origins)
    assert [len(batch) for batch in recorded.asked] == [BATCH, BATCH, BATCH, 5]
    assert sorted(t for batch in recorded.asked for t in batch) == list(origins)
    batches = [[rows[t - LOOKBACK + 1 : t + HORIZON + 1] for t in b] for b in recorded.asked]
    reference.train(
        backbone,
        lambda: reference_adapter(loops_adapter, loops.modulation),
        batches,
        LOOKBACK,
        loops.parameters,
        learning_rate=1e-2,
    )
    for name, entry in adapter.state_dict().items():
        expected = loops_adapter.state_dict()[name]
        torch.testing.assert_close(entry, expected, rtol=1e-8, atol=1e-9, msg=name)
    assert torch.equal(flatten(backbone), flatten(layered().double()))


def test_the_validation_error_is_that_of_the_stream_run_in_order(monkeypatch):
    """In parts of 7 origins, so that the parts' seams are tried."""
    monkeypatch.setattr(generator_training, "EVALUATION_BATCH", 7)
    rows = stream().double()
    backbone = layered().double().eval()
    run, adapter = training(backbone, rows)
    origins = range(40, 60)
    loops = reference_adapter(adapter, run.modulation)
    with torch.no_grad():
        expected = reference.stream_error(backbone, loops, rows, SIZE, origins)
    assert run.error(origins) == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow
def test_training_lowers_the_error_on_validation_rows_of_a_drifting_stream():
    """By more than 2 % of what a backbone leaves that was trained on the same rows: most of what
    a drift says is in the window already.
    """
    rows, a = drifting(440).expand(-1, CHANNELS), 320
    backbone = pretrained(layered(), rows[:a])
    for seed in (1, 2):
        memory = made(backbone, fit_learning_rate=3e-3, fit_epochs=6)
        before = error(memory, rows, a)
        memory.fit(data(rows, a), generator(seed))
        assert error(memory, rows, a) < 0.98 * before


def pretrained(backbone: nn.Module, rows: Tensor) -> nn.Module:
    """The backbone after 200 steps of Adam on all pairs."""
    pairs = Pairs(rows, *SIZE)
    known = pairs.at(range(LOOKBACK - 1, len(rows) - HORIZON))
    optimiser = torch.optim.Adam(backbone.parameters(), lr=1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        (backbone(pairs.windows(known)) - pairs.targets(known)).square().mean().backward()
        optimiser.step()
    return backbone.eval()


def error(memory: Proceed, rows: Tensor, a: int) -> float:
    """Mean squared error of the validation origins at rate zero, issued one by one."""
    state = {**memory.init_state()}
    errors = []
    with torch.no_grad():
        for t in range(a - 1, len(rows) - HORIZON):
            pair = rows[t - HORIZON - LOOKBACK + 1 : t + 1]
            state["concept"] = memory.adapter.pair_concept(pair)
            forecast, _ = memory.predict(state, rows[t - LOOKBACK + 1 : t + 1])
            errors.append((forecast - rows[t + 1 : t + HORIZON + 1]).square().mean())
    return float(torch.stack(errors).mean())


@pytest.mark.parametrize("kind", [Proceed, ProceedFull])
def test_the_same_generator_fits_the_same_weights_and_another_does_not(kind):
    rows = stream()
    fitted = []
    for seed in (1, 1, 2):
        memory = made(layered(), kind, fit_epochs=2)
        memory.fit(data(rows, 60), generator(seed))
        fitted.append(memory.state_dict())
    for name, entry in fitted[0].items():
        assert torch.equal(entry, fitted[1][name]), name
    assert any(not torch.equal(entry, fitted[2][name]) for name, entry in fitted[0].items())


@pytest.mark.parametrize("kind", [Proceed, ProceedFull])
def test_fitted_weights_do_not_depend_on_the_online_rate(kind):
    rows = stream()
    fitted = []
    for rate in (0.0, 0.5):
        memory = made(layered(), kind, learning_rate=rate, fit_epochs=2)
        memory.fit(data(rows, 60), generator(1))
        fitted.append(memory.state_dict())
    different = {n for n, e in fitted[0].items() if not torch.equal(e, fitted[1][n])}
    assert different == kind.after_fit == {"learning_rate"}


@pytest.mark.slow
def test_only_the_full_form_trains_the_backbone_and_neither_trains_the_given_one():
    rows = stream()
    given = layered()
    for kind in (Proceed, ProceedFull):
        memory = made(given, kind)
        memory.fit(data(rows, 60), generator(1))
        assert memory.adapter.generator.expand[0].abs().max() > 0
        assert torch.equal(flatten(given), flatten(layered()))
        trained = not torch.equal(flatten(memory.backbone), flatten(layered()))
        moved = not torch.equal(memory.backbone.norm.running_mean, layered().norm.running_mean)
        assert trained == moved == (kind is ProceedFull)
        assert not memory.backbone.training


def test_joint_training_drops_what_its_generator_draws():
    """One batch passes differently with other draws, of which there is one per dropped number."""
    rows = stream().double()
    ends = []
    for seed in (1, 2):
        backbone = layered().double().eval()
        run, _ = training(backbone, rows, joint=True)
        order = run.pairs.at(range(LOOKBACK - 1, LOOKBACK - 1 + BATCH))
        run.rng = generator(seed)
        noise = run._training(run.pairs.windows(order))
        assert noise is not None
        assert noise.noise.numel() == BATCH * CHANNELS * 4
        ends.append(run._forecasts(run.pairs.windows(order), torch.zeros(5).double(), noise))
    assert not torch.allclose(ends[0], ends[1])


class Watched(Layered):
    """Keeps every window it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.load_state_dict(layered().state_dict())
        self.shown: list[Tensor] = []

    def forward(self, windows: Tensor, training: Any = None) -> Tensor:
        self.shown.append(windows.detach())
        return super().forward(windows, training)


def test_every_origin_with_a_target_inside_its_rows_is_used_and_no_other():
    """Rows count 0, 1, 2, ..: a window's last entry is its origin. Training origins t satisfy
    L-1 <= t and t+H <= a-1; validation origins a-1 <= t and t+H <= b-1, one pass after the epoch.
    """
    a, b = 50, 70
    rows = torch.arange(float(b))[:, None].expand(-1, CHANNELS) / 100
    backbone = Watched()
    memory = made(backbone, fit_epochs=1)
    shown_in_check = 3  # one batch of two samples, then each alone
    memory.fit(data(rows, a), generator(1))
    origins = [
        round(100 * float(window[-1, 0]))
        for windows in backbone.shown[shown_in_check:]
        for window in windows
    ]
    validation = list(range(a - 1, b - HORIZON))
    training = list(range(LOOKBACK - 1, a - HORIZON))
    assert origins[-len(validation) :] == validation
    assert sorted(origins[: -len(validation)]) == training


def test_validation_rows_decide_when_to_stop_and_nothing_else():
    """With other validation rows an epoch ends at the same weights."""
    rows = stream().double()
    other = torch.cat([rows[:60], 10 * rows[60:].flip(0)])
    ends = []
    for own in (rows, other):
        run, adapter = training(layered().double().eval(), own)
        run.epoch(range(LOOKBACK - 1, 60 - HORIZON))
        ends.append(adapter.state_dict())
    for name, entry in ends[0].items():
        assert torch.equal(entry, ends[1][name]), name


def test_a_generator_is_trained_even_if_its_first_epoch_is_its_best(monkeypatch):
    """Errors 5, 6, 7, 8: the first epoch's weights are kept, three more without a better end it."""
    run, adapter = training(layered().eval(), stream())
    before = {name: entry.clone() for name, entry in adapter.state_dict().items()}
    errors = iter([5.0, 6.0, 7.0, 8.0])
    seen: list[dict[str, Tensor]] = []

    def error(_: range) -> float:
        seen.append({name: entry.clone() for name, entry in adapter.state_dict().items()})
        return next(errors)

    monkeypatch.setattr(run, "error", error)
    run.run(range(LOOKBACK - 1, 60), range(60, 70), epochs=25)
    assert next(errors, None) is None
    assert any(not torch.equal(entry, before[name]) for name, entry in seen[0].items())
    for name, entry in adapter.state_dict().items():
        assert torch.equal(entry, seen[0][name]), name


def test_the_best_epoch_is_kept_and_an_error_that_is_not_a_number_is_none(monkeypatch):
    rows = stream()
    run, adapter = training(layered().eval(), rows)
    errors = iter([5.0, 4.0, float("nan"), 4.5, 4.5])
    seen = []

    def judged(_: range) -> float:
        seen.append(adapter.generator.offsets.detach().clone())
        return next(errors)

    monkeypatch.setattr(run, "error", judged)
    run.run(range(LOOKBACK - 1, 60), range(60, 70), epochs=25)
    assert len(seen) == 5
    assert torch.equal(adapter.generator.offsets, seen[1])


def test_no_epoch_is_as_if_it_had_not_been_fitted():
    memory = made(layered(), fit_epochs=0)
    before = {name: entry.clone() for name, entry in memory.state_dict().items()}
    memory.fit(data(stream(), 60), generator(1))
    for name, entry in memory.state_dict().items():
        assert torch.equal(entry, before[name]), name


def test_what_was_fitted_can_be_saved_and_loaded():
    rows = stream()
    memory, other = made(layered(), ProceedFull), made(layered(), ProceedFull)
    memory.fit(data(rows, 60), generator(1))
    other.load_state_dict(memory.state_dict())
    window = rows[:LOOKBACK]
    expected, _ = memory.predict(memory.init_state(), window)
    assert torch.equal(other.predict(other.init_state(), window)[0], expected)


def test_a_backbone_whose_samples_cannot_be_told_apart_is_refused_before_training():
    memory = made(RowsFirst())
    with pytest.raises(InvalidParameter, match="along their first axis"):
        memory.fit(data(stream(), 60), generator(1))
