"""Lanes of token models are single runs of torch's Adam, whatever the memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor

from memories.adam import flatten
from memories.backbones.base import Training
from memories.backbones.tokens import TokenModel
from memories.base import State
from memories.token_training import lanes as lanes_module
from memories.token_training.lanes import TokenLanes
from tests.memories.token_training.small_models import (
    CHANNELS,
    HORIZON,
    RATE,
    Branching,
    Mean,
    Memory,
    batch,
    former,
    generator,
    lanes,
    mixer,
    model,
    named,
    noise,
    spectral,
)
from tests.reference import token_training as reference

STEPS = 32
SETTINGS: dict[str, tuple[Memory, Callable[[torch.Generator], Any]]] = {
    "mean": (Mean, mixer),
    "spectral": (spectral(), former),
    "v4": (spectral("spectral-v4"), former),
    "v3": (spectral("spectral-v3"), mixer),
    "attention pooling": (spectral(pool="attn-trained"), former),
}


DEFAULT = [("v4", "trajectory"), ("attention pooling", "snapshots")]
"""Pairs of memory and mode that are tried by default."""


def share(step: int) -> float:
    """A rate that changes on the way."""
    return 1.0 if step < STEPS // 2 else 0.5


def pictured(trained: TokenLanes, states: State) -> State:
    """Four snapshots per lane [N, 4, ...], made of what was absorbed and of nothing."""
    snapshot = trained.snapshot(states)
    empty = trained.snapshot(trained.init_state())
    return {
        name: torch.stack([empty[name], entry, empty[name], entry], dim=1)
        for name, entry in snapshot.items()
    }


def picks_of(step: int, seeds: list[int], size: int) -> Tensor:
    rows = [torch.randint(4, (size,), generator=noise(seed + 7, step)) for seed in seeds]
    return torch.stack(rows)


def trained_by_trajectory(seeds: list[int], memory: Memory, encoder: Any) -> tuple[Any, State]:
    made = lanes(seeds, memory, encoder)
    state = made.init_state()
    for step in range(STEPS):
        pair = batch(step, seeds)
        hidden = made.step(*pair, made.snapshot(state), None, step=step, share=share(step))
        assert hidden is not None
        state = made.absorb(state, hidden)
    return made, state


def trained_by_snapshots(seeds: list[int], memory: Memory, encoder: Any) -> tuple[Any, State]:
    """Snapshots are of the first weights, as those of an epoch's first step are."""
    made = lanes(seeds, memory, encoder)
    windows, _ = batch(99, seeds, size=12)
    _, hidden = made.forecast(windows, made.snapshot(made.init_state()))
    state = made.init_state()
    for window in hidden.split(1, dim=1):
        state = made.absorb(state, window)
    held = pictured(made, state)
    for step in range(STEPS):
        windows, targets = batch(step, seeds)
        picks = picks_of(step, seeds, len(windows[0]))
        seen = made.step(windows, targets, held, picks, step=step, share=share(step))
        assert seen is None
    return made, state


MODES = {"trajectory": trained_by_trajectory, "snapshots": trained_by_snapshots}


@cache
def trained(mode: str, seeds: tuple[int, ...], name: str) -> tuple[TokenLanes, State]:
    """Lanes and states after all steps; for tests that only look at them."""
    return MODES[mode](list(seeds), *SETTINGS[name])


PAIRS = [
    pytest.param(name, mode, marks=[] if (name, mode) in DEFAULT else [pytest.mark.slow])
    for name in SETTINGS
    for mode in MODES
]


def forecasts(made: TokenLanes, state: State) -> Tensor:
    windows, _ = batch(500, [0], size=20)
    return made.forecast(windows[0], made.snapshot(state))[0]


@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_a_lane_among_others_is_the_lane_alone(name: str, mode: str) -> None:
    """32 steps of float32 in another batch shape: 1e-5."""
    together, states = trained(mode, (3, 4, 5), name)
    alone, state = trained(mode, (4,), name)
    torch.testing.assert_close(
        forecasts(together, states)[1], forecasts(alone, state)[0], rtol=1e-5, atol=1e-5
    )
    for kind in ("weights", "first", "second"):
        seen = named(together.calls, vars(together)[kind][1])
        expected = named(alone.calls, vars(alone)[kind][0])
        torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)
    for name_, buffer in together.buffers.items():
        torch.testing.assert_close(buffer[1], alone.buffers[name_][0], rtol=1e-5, atol=1e-5)
    assert not torch.equal(forecasts(together, states)[0], forecasts(together, states)[1])


def by_reference(seed: int, mode: str, memory: Memory, encoder: Any) -> tuple[TokenModel, State]:
    """The same training in plain torch."""
    made = model(seed, memory, encoder)
    own = made.memory
    trainer = reference.Trainer(made, RATE, partial(noise, seed))
    state = own.init_state()
    held: State = {}
    if mode == "snapshots":
        with torch.no_grad():
            windows, _ = batch(99, [seed], size=12)
            _, hidden = made.forecast(windows[0], own.snapshot(state))
            for window in hidden.split(1):
                state = own.absorb_batch(state, window)
            empty, full = own.snapshot(own.init_state()), own.snapshot(state)
        held = {n: torch.stack([empty[n], full[n], empty[n], full[n]]) for n in full}
    for step in range(STEPS):
        if step == STEPS // 2:
            trainer.halve()
        windows, targets = batch(step, [seed])
        if mode == "snapshots":
            chosen = picks_of(step, [seed], len(windows[0]))[0]
            trainer.step(windows[0], targets[0], {n: e[chosen] for n, e in held.items()})
            continue
        with torch.no_grad():
            read = own.snapshot(state)
        hidden = trainer.step(windows[0], targets[0], read)
        with torch.no_grad():
            state = own.absorb_batch(state, hidden)
    return made, state


@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_a_lane_is_a_module_trained_by_torchs_adam(name: str, mode: str) -> None:
    """Autograd and `torch.optim.Adam` on the module itself; 32 steps of float32: 1e-4."""
    made, states = trained(mode, (4,), name)
    plain, state = by_reference(4, mode, *SETTINGS[name])
    seen = named(made.calls, made.weights[0])
    expected = {f"model.{n}": p.detach() for n, p in plain.named_parameters()}
    for parameter, value in seen.items():
        torch.testing.assert_close(value, expected[parameter], rtol=1e-4, atol=1e-4)
    for buffer, value in plain.named_buffers():
        torch.testing.assert_close(made.buffers[f"model.{buffer}"][0], value, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        windows, _ = batch(500, [0], size=20)
        plain_forecasts, _ = plain.forecast(windows[0], plain.memory.snapshot(state))
    torch.testing.assert_close(forecasts(made, states)[0], plain_forecasts, rtol=1e-4, atol=1e-4)
    moved = [not torch.equal(v, dict(model(4, *SETTINGS[name]).named_parameters())[n[6:]])
             for n, v in seen.items()]  # fmt: skip
    assert any(moved)


@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_a_memory_is_trained_through_its_tokens(name: str, mode: str) -> None:
    made, _ = trained(mode, (4,), name)
    fresh = lanes([4], *SETTINGS[name])
    was, now = (named(m.calls, m.weights[0]) for m in (fresh, made))
    own = [n for n in was if n.startswith("model.memory.") and not n.endswith("scores.weight")]
    assert any(not torch.equal(was[n], now[n]) for n in own)


@pytest.mark.parametrize(("pool", "moves"), [("attn-frozen", False), ("attn-trained", True)])
def test_pooling_weights_move_only_where_they_are_trained(pool: str, moves: bool) -> None:
    """Frozen ones stay bit for bit: Adam's step on gradients of exact zeros is zero."""
    memory = spectral(pool=pool)
    made, _ = trained_by_trajectory([3, 4], memory, former)
    fresh = lanes([3, 4], memory, former)
    for lane in range(2):
        now, was = (named(m.calls, m.weights[lane]) for m in (made, fresh))
        weight = "model.memory.summary.scores.weight"
        assert torch.equal(now[weight], was[weight]) is not moves
        assert not torch.equal(now["model.encoder.embedding.weight"],
                               was["model.encoder.embedding.weight"])  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_a_step_leaves_models_and_what_it_is_given_as_they_were(mode: str) -> None:
    models = [model(seed, spectral(), former) for seed in (1, 2)]
    before = [{n: t.clone() for n, t in m.state_dict().items()} for m in models]
    made = TokenLanes(models, RATE, [partial(noise, 1), partial(noise, 2)])
    windows, targets = batch(0, [1, 2])
    held = pictured(made, made.init_state())
    picks = picks_of(0, [1, 2], 6) if mode == "snapshots" else None
    given = held if picks is not None else made.snapshot(made.init_state())
    kept = [t.clone() for t in (windows, targets, *given.values())]
    random = torch.get_rng_state()
    made.step(windows, targets, given, picks, step=0, share=1.0)
    assert all(
        torch.equal(a, b) for a, b in zip(kept, (windows, targets, *given.values()), strict=True)
    )
    for module, state in zip(models, before, strict=True):
        assert all(torch.equal(t, state[n]) for n, t in module.state_dict().items())
        assert all(p.grad is None for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_reading_and_writing_change_no_state_and_no_weights() -> None:
    made = lanes([1, 2], spectral(), former)
    windows, _ = batch(0, [1, 2])
    state = made.init_state()
    was, weights = {n: t.clone() for n, t in state.items()}, made.weights.clone()
    _, hidden = made.forecast(windows, made.snapshot(state))
    after = made.absorb(state, hidden)
    made.report(after)
    assert all(torch.equal(state[n], was[n]) for n in state)
    assert torch.equal(made.weights, weights)
    assert made.report(after)["rows"].tolist() == [6, 6]
    assert not any(t.requires_grad for t in (*after.values(), hidden))


@pytest.mark.parametrize("mode", MODES)
def test_a_memory_that_vmap_cannot_map_is_looped_over_and_does_the_same(mode: str) -> None:
    """The same numbers in another batch shape, 32 steps of float32: 1e-5."""
    looped, its = MODES[mode]([3, 4, 5], Branching, mixer)
    mapped, own = trained(mode, (3, 4, 5), "mean")
    torch.testing.assert_close(looped.weights, mapped.weights, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(forecasts(looped, its), forecasts(mapped, own), rtol=1e-5, atol=1e-5)
    assert looped.report(its)["rows"].tolist() == mapped.report(own)["rows"].tolist()
    assert looped.buffers.keys() == mapped.buffers.keys()


@pytest.mark.parametrize("shared", [True, False], ids=["one series", "a series each"])
def test_forecasts_of_lanes_are_those_of_their_models(shared: bool) -> None:
    windows, _ = batch(0, [1, 2, 3])
    models = [model(seed, Mean, mixer) for seed in (1, 2, 3)]
    for memory in (Mean, Branching):
        made = lanes([1, 2, 3], memory, mixer)
        given = windows[1] if shared else windows
        seen, hidden = made.forecast(given, made.snapshot(made.init_state()))
        assert hidden.shape == (3, 6, 1, CHANNELS, 8)
        for lane, own in enumerate(models):
            expected = own(windows[1] if shared else windows[lane])
            torch.testing.assert_close(seen[lane], expected, rtol=1e-6, atol=1e-6)


def test_hidden_states_of_a_step_are_those_of_the_pass_before_it() -> None:
    """With the weights before the step and the step's dropout."""
    made, single = lanes([4], Mean, mixer), model(4, Mean, mixer)
    windows, targets = batch(0, [4])
    snapshot = made.snapshot(made.init_state())
    hidden = made.step(windows, targets, snapshot, None, step=0, share=1.0)
    size = 8 + 6 * CHANNELS * 8
    training = Training(torch.rand(size, generator=noise(4, 0)))
    with torch.no_grad():
        own = {name: entry[0] for name, entry in snapshot.items()}
        _, expected = single.forecast(windows[0], own, training)
        _, undropped = single.forecast(windows[0], own)
    assert hidden is not None
    torch.testing.assert_close(hidden[0], expected, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(hidden[0], undropped)


@pytest.mark.parametrize("chunk", [pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("mode", ["trajectory", pytest.param("snapshots", marks=pytest.mark.slow)])
def test_how_many_lanes_one_call_takes_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, mode: str, chunk: int
) -> None:
    """Three lanes in calls of one, or of two and one; float32 in another batch shape: 1e-5."""
    whole, _ = trained(mode, (3, 4, 5), "mean")
    size = lanes_module.graph_bytes(whole.model, batch(0, [3])[0][0])
    monkeypatch.setattr(lanes_module, "GRAPH_BYTES", chunk * size + size // 2)
    taken: list[int] = []
    differentiate = TokenLanes._differentiate

    def counted(self: TokenLanes, part: slice, given: Any) -> Any:
        taken.append(len(given[0]))
        return differentiate(self, part, given)

    monkeypatch.setattr(TokenLanes, "_differentiate", counted)
    cut, _ = MODES[mode]([3, 4, 5], Mean, mixer)
    assert taken == ([1, 1, 1] if chunk == 1 else [2, 1]) * STEPS
    torch.testing.assert_close(cut.weights, whole.weights, rtol=1e-5, atol=1e-5)
    for name, buffer in whole.buffers.items():
        torch.testing.assert_close(cut.buffers[name], buffer, rtol=1e-5, atol=1e-5)


def test_a_model_of_any_size_is_trained_lane_by_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "GRAPH_BYTES", 1)
    made = lanes([3, 4])
    was = made.weights.clone()
    windows, targets = batch(0, [3, 4])
    made.step(windows, targets, made.init_state(), None, step=0, share=1.0)
    assert [len(range(*part.indices(2))) for part in made._parts(windows[0])] == [1, 1]
    assert (made.weights != was).any(1).tolist() == [True, True]


def test_a_step_draws_the_dropout_of_the_lanes_that_are_left() -> None:
    """After lane 0 is gone, lanes 1 and 2 go on as they would have."""
    seeds = [3, 4, 5]
    whole, state = trained("trajectory", (3, 4, 5), "mean")
    left = lanes(seeds, Mean, mixer)
    held = left.init_state()
    there = seeds
    for step in range(STEPS):
        if step == 5:
            left.select(torch.tensor([1, 2]))
            held = {name: entry[1:] for name, entry in held.items()}
            there = seeds[1:]
        hidden = left.step(*batch(step, there), left.snapshot(held), None, step=step,
                           share=share(step))  # fmt: skip
        assert hidden is not None
        held = left.absorb(held, hidden)
    assert left.numbers.tolist() == [1, 2]
    torch.testing.assert_close(left.weights, whole.weights[1:], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(forecasts(left, held), forecasts(whole, state)[1:],
                               rtol=1e-5, atol=1e-5)  # fmt: skip


def test_what_is_kept_brings_a_training_back_bit_for_bit() -> None:
    made, state = trained_by_trajectory([3, 4], Mean, mixer)
    made.select(torch.tensor([1]))
    state = {name: entry[1:] for name, entry in state.items()}
    kept = {name: tensor.clone() for name, tensor in made.tensors().items()}
    again = lanes([3, 4], Mean, mixer)
    again.restore(kept)
    windows, targets = batch(STEPS, [4])
    for one in (made, again):
        one.step(windows, targets, one.snapshot(state), None, step=STEPS, share=0.5)
    one, two = made.tensors(), again.tensors()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert again.numbers.tolist() == [1]
    assert not torch.equal(two["weights"], kept["weights"])


def test_without_dropout_nothing_is_drawn() -> None:
    drawn: list[int] = []

    def source(step: int) -> torch.Generator:
        drawn.append(step)
        return generator(step)

    still = TokenModel(former(generator(0), 0.0), spectral()(generator(0)), HORIZON, generator(0))
    made = TokenLanes([still], RATE, [source])
    windows, targets = batch(0, [0])
    made.step(windows, targets, made.snapshot(made.init_state()), None, step=0, share=1.0)
    assert drawn == []
    moving = lanes([0], spectral(), former)
    moving.noise = [source]
    moving.step(windows, targets, moving.snapshot(moving.init_state()), None, step=7, share=1.0)
    assert drawn == [7]


def test_a_part_of_the_learning_rate_makes_that_part_of_a_step() -> None:
    """Adam's first step is as long as the rate, whatever the gradient."""
    moved = []
    for part in (1.0, 0.25):
        made = lanes([0])
        was = made.weights.clone()
        windows, targets = batch(0, [0])
        made.step(windows, targets, made.init_state(), None, step=0, share=part)
        moved.append((made.weights - was).abs())
    torch.testing.assert_close(moved[1], moved[0] / 4, rtol=1e-3, atol=1e-7)
    assert float(moved[0].max()) == pytest.approx(RATE, rel=1e-3)


def test_lanes_start_from_their_models() -> None:
    models = [model(seed) for seed in (5, 6)]
    made = TokenLanes(models, RATE, [partial(noise, 5), partial(noise, 6)])
    for lane, own in enumerate(models):
        assert torch.equal(made.weights[lane], flatten(own).detach())
    assert made.numbers.tolist() == [0, 1]
