"""H-Mem's optimiser: groups, warm-up, schedule, clipping, and steps that are not taken."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memories.forecasters.hmem.training import OnlineTraining

SIZES = {"snma": 4, "chrc": 6, "fusion": 3, "backbone": 2}
ON = torch.tensor(True)
RATE = torch.tensor(0.01)
State = dict[str, Tensor]


def training(
    parts: tuple[str, ...] = tuple(SIZES), total: int = 100, **options: Any
) -> OnlineTraining:
    defaults = {
        "schedule": "const",
        "clip": None,
        "weight_decay": 0.01,
        "warmup_steps": 0,
        "joint_training": True,
        "train_every": 1,
    }
    return OnlineTraining(parts, total, **(defaults | options))


def drawn(seed: int, parts: tuple[str, ...] = tuple(SIZES)) -> State:
    rng = torch.Generator().manual_seed(seed)
    return {part: torch.randn(SIZES[part], generator=rng) for part in parts}


def started(trainer: OnlineTraining) -> State:
    return trainer.init_state(drawn(0, trainer.parts))


def take(
    trainer: OnlineTraining, state: State, gradients: State, due: Tensor = ON
) -> tuple[State, Tensor]:
    loss = torch.cat(list(gradients.values())).square().sum()
    return trainer.step(state, gradients, loss, due, RATE)


def changed(before: State, after: State, entry: str) -> dict[str, bool]:
    """Of which parts an entry changed."""
    return {
        part: not torch.equal(before[f"{part}/{entry}"], after[f"{part}/{entry}"]) for part in SIZES
    }


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_run_equals_torchs_adamw_with_parameter_groups(warmup, clip):
    """Frozen groups have no gradient, as torch means it, and their clock stands still. The norm
    is that of the groups that learn; 1e-6 is added to it as torch's clip_grad_norm_ does.
    """
    trainer = training(warmup_steps=warmup, clip=clip)
    state = started(trainer)
    parts = [nn.Parameter(p.clone()) for p in trainer.weights(state).values()]
    shares = {"snma": 1.0, "chrc": 0.5, "fusion": 0.5, "backbone": 0.1}
    groups = [
        {"params": [p], "lr": float(RATE) * shares[name]}
        for p, name in zip(parts, SIZES, strict=True)
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    for n in range(12):
        gradients = drawn(1 + n)
        state, failed = take(trainer, state, gradients)
        assert not failed
        for p, (name, gradient) in zip(parts, gradients.items(), strict=True):
            p.grad = gradient.clone() if name == "snma" or n >= warmup else None
        if clip is not None:
            nn.utils.clip_grad_norm_(parts, clip)
        optimiser.step()
        for ours, theirs in zip(trainer.weights(state).values(), parts, strict=True):
            torch.testing.assert_close(ours, theirs.data, rtol=0, atol=1e-6)
    assert int(state["trained"]) == 12


def test_during_the_warm_up_only_snma_learns():
    """A hundred steps: of the others neither weights nor moments change; then they do."""
    trainer = training(warmup_steps=100)
    state = started(trainer)
    for n in range(101):
        after, _ = take(trainer, state, drawn(n))
        for entry in ("weights", "first_moment", "second_moment"):
            moved = changed(state, after, entry)
            assert moved == {part: part == "snma" or n == 100 for part in SIZES}
        assert bool(trainer.warm(after)) == (n >= 99)
        state = after


def test_without_joint_training_the_others_stay_frozen_for_ever():
    trainer = training(warmup_steps=3, joint_training=False)
    first = started(trainer)
    state = first
    for n in range(10):
        state, _ = take(trainer, state, drawn(n))
    assert changed(first, state, "weights") == {part: part == "snma" for part in SIZES}


def test_without_snma_the_warm_up_passes_without_a_step():
    trainer = training(("chrc",), warmup_steps=2)
    first = started(trainer)
    state, moved = first, []
    for n in range(3):
        state, _ = take(trainer, state, drawn(n, ("chrc",)))
        moved.append(not torch.equal(state["chrc/weights"], first["chrc/weights"]))
    assert moved == [False, False, True]
    assert int(state["trained"]) == 3


def test_a_frozen_part_does_not_count_towards_the_norm():
    """SNMA's gradient has norm 1 and is not scaled, however large that of the frozen CHRC is."""
    weights = {"snma": torch.zeros(4), "chrc": torch.zeros(6)}
    gradients = {"snma": torch.full((4,), 0.5), "chrc": torch.full((6,), 1e6)}
    trainer = training(("snma", "chrc"), clip=1.0, warmup_steps=5)
    state, _ = take(trainer, trainer.init_state(weights), gradients)
    torch.testing.assert_close(state["snma/first_moment"], torch.full((4,), 0.05))


def test_the_cosine_starts_at_each_groups_rate_and_ends_at_one_hundredth_for_all():
    """eta(n) = 0.01 r + (share r - 0.01 r) (1 + cos(pi n / T)) / 2, and stays there beyond T."""
    trainer = training(total=40, schedule="cosine")
    rate = torch.tensor(1e-4)

    def at(n: int) -> list[float]:
        rates = [trainer.learning_rate(part, torch.tensor(n), rate) for part in SIZES]
        return (torch.stack(rates) / rate).tolist()

    assert at(0) == pytest.approx([1.0, 0.5, 0.5, 0.1], rel=1e-6)
    assert at(20) == pytest.approx([0.505, 0.255, 0.255, 0.055], rel=1e-5)
    assert at(40) == at(1000) == pytest.approx([0.01] * 4, rel=1e-5)
    expected = 0.01 + 0.99 * (1 + math.cos(math.pi * 7 / 40)) / 2
    assert at(7)[0] == pytest.approx(expected, rel=1e-5)
    constant = [training().learning_rate(part, torch.tensor(70), rate) for part in SIZES]
    assert torch.stack(constant).tolist() == pytest.approx([1e-4, 5e-5, 5e-5, 1e-5])


def test_the_cosine_of_conditional_training_ends_with_its_steps():
    assert training(total=40, train_every=4).total == 10
    assert training(total=3, train_every=4).total == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize("part", ["snma", "chrc"])
def test_a_step_that_is_not_finite_changes_nothing_and_is_told(bad, part):
    """1e30 overflows when it is squared, as it would in the second moment."""
    trainer = training()
    state, _ = take(trainer, started(trainer), drawn(1))
    gradients = drawn(2)
    gradients[part][1] = bad
    after, failed = trainer.step(state, gradients, torch.tensor(1.0), ON, RATE)
    assert failed
    for name, entry in state.items():
        assert torch.equal(after[name], entry)
        assert after[name].isfinite().all()


def test_a_loss_that_is_not_finite_stops_the_step_too():
    trainer = training()
    state = started(trainer)
    after, failed = trainer.step(state, drawn(1), torch.tensor(math.nan), ON, RATE)
    assert failed
    assert not any(changed(state, after, "weights").values())


def test_a_step_that_is_not_due_is_no_failure():
    trainer = training()
    state = started(trainer)
    for value in (1.0, math.nan):
        gradients = {part: torch.full((size,), value) for part, size in SIZES.items()}
        after, failed = take(trainer, state, gradients, torch.tensor(False))
        assert not failed
        assert all(torch.equal(after[name], entry) for name, entry in state.items())


@pytest.mark.parametrize("every", [1, 3])
def test_a_step_is_due_at_every_nth_revealed_target(every):
    trainer = training(train_every=every)
    state = started(trainer)
    complete = [False, True, True, False, True, True, True, True, False, True]
    seen = []
    for revealed in complete:
        state, due = trainer.due(state, torch.tensor(revealed))
        seen.append(bool(due))
    counts = [sum(complete[: i + 1]) for i in range(len(complete))]
    assert seen == [c and n % every == 0 for c, n in zip(complete, counts, strict=True)]
