"""TTT-Linear: the linear memories it contains, its layer norm, its mini-batches, its size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench import registry
from bench.lanes import Lanes
from memories.base import InvalidParameter, state_floats
from tests.memories.case import build, events, generator, unit_rows
from tests.memories.cases.networks import CASES

reference = next(case.reference for case in CASES if case.name == "ttt-linear")


def written(memory: Any, keys: Tensor, values: Tensor) -> dict[str, Tensor]:
    return memory.write(memory.init_state(), keys, values)


def normalised(seed: int, **params: Any) -> Any:
    """A float64 memory with a layer norm whose slow weights are all random."""
    memory = build("ttt-linear", seed, key_dim=6, value_dim=6, form="layernorm", **params).double()
    rng = generator(seed)
    with torch.no_grad():
        for weight in memory.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=rng, dtype=torch.float64))
    return memory


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("write_strength", [0.25, 1.0])
def test_one_event_at_a_time_is_the_delta_rule(write_strength: float, reduction: str) -> None:
    """Steps of base_lr / 2 against a gradient 2 k^T (k W - v): strength base_lr."""
    memory = build("ttt-linear", chunk=1, base_lr=write_strength, reduction=reduction).double()
    delta = build("delta", write_strength=write_strength).double()
    keys, values = events(1, 30, dtype=torch.float64)
    expected = delta.write(delta.init_state(), keys, values)["fast_weights"]
    torch.testing.assert_close(
        written(memory, keys, values)["fast_weights"], expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("reduction", "share"), [("sum", 1.0), ("mean", 1 / 14)])
def test_one_batch_from_nothing_is_the_linear_associator(reduction: str, share: float) -> None:
    """At W = 0 the gradient of each event is -2 k^T v."""
    memory = build("ttt-linear", chunk=20, reduction=reduction).double()
    linear = build("linear-assoc").double()
    keys, values = events(1, 14, dtype=torch.float64)
    expected = share * linear.write(linear.init_state(), keys, values)["fast_weights"]
    torch.testing.assert_close(
        written(memory, keys, values)["fast_weights"], expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("learned_gate", [False, True])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("chunk", [1, 5, 16])
def test_the_layer_norm_equals_the_loop_in_values_and_gradients(
    chunk: int, reduction: str, learned_gate: bool
) -> None:
    memory = normalised(1, chunk=chunk, reduction=reduction, learned_gate=learned_gate)
    keys, values = events(2, 13, key_dim=6, value_dim=6, dtype=torch.float64)
    queries = torch.cat([keys[:3], events(3, 4, key_dim=6, dtype=torch.float64)[0]])
    inputs = (keys.requires_grad_(), values.requires_grad_(), *memory.parameters())
    recalled = memory.read(written(memory, keys, values), queries)
    expected = reference(memory)(keys, values, queries)
    torch.testing.assert_close(recalled, expected, rtol=0, atol=1e-11)
    ours, theirs = (torch.autograd.grad(x.square().sum(), inputs) for x in (recalled, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)
        assert mine.abs().max() > 0


def test_lanes_with_a_layer_norm_equal_single_runs() -> None:
    memories = [normalised(seed, learned_gate=True) for seed in range(3)]
    drawn = [events(seed, 21, key_dim=6, value_dim=6, dtype=torch.float64) for seed in range(3)]
    keys, values = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    lanes = Lanes(memories)
    reads = lanes.read(lanes.write(lanes.init_state(), keys, values), keys)
    for lane, memory in enumerate(memories):
        alone = memory.read(written(memory, keys[lane], values[lane]), keys[lane])
        torch.testing.assert_close(reads[lane], alone, rtol=0, atol=1e-12)


def test_the_layer_norm_recalls_zeros_before_the_first_event_only() -> None:
    """Its residual would return the query."""
    memory = normalised(1)
    keys, values = events(1, 4, key_dim=6, value_dim=6, dtype=torch.float64)
    assert not memory.read(memory.init_state(), keys).any()
    assert not memory.read(memory.write(memory.init_state(), keys[:0], values[:0]), keys).any()
    assert memory.read(written(memory, keys, values), keys).abs().max() > 0.1


def test_initial_weights_are_zero_or_small() -> None:
    """N(0, 0.02^2) with the layer norm; 4,096 draws fix a deviation to 1.1 %."""
    assert not build("ttt-linear").initial_weights.any()
    drawn = build("ttt-linear", key_dim=64, value_dim=64, form="layernorm").initial_weights.detach()
    assert float(drawn.std()) == pytest.approx(0.02, rel=0.05)


@torch.no_grad()
def test_a_mean_over_similar_keys_stays_bounded_where_a_sum_diverges() -> None:
    """Keys of cosine 0.6: the Gram matrix of 16 has the eigenvalue 1 + 15 * 0.6 = 10, and
    |1 - 10| > 1; divided by 16 no eigenvalue of it exceeds one.
    """
    common, own = unit_rows(1, 1, 64), unit_rows(2, 512, 64)
    keys, values = 0.6**0.5 * common + 0.4**0.5 * own, unit_rows(3, 512, 64)
    sizes = {}
    for reduction in ("mean", "sum"):
        memory = build("ttt-linear", key_dim=64, value_dim=64, reduction=reduction)
        sizes[reduction] = float(written(memory, keys, values)["fast_weights"].norm())
    assert sizes["mean"] < 10
    assert not sizes["sum"] < 1e10


def test_batches_are_counted_from_the_start_of_a_call() -> None:
    memory = build("ttt-linear", chunk=4).double()
    keys, values = events(1, 12, dtype=torch.float64)
    whole = written(memory, keys, values)["fast_weights"]

    def split(cut: int) -> Tensor:
        state = memory.write(written(memory, keys[:cut], values[:cut]), keys[cut:], values[cut:])
        return state["fast_weights"]

    torch.testing.assert_close(split(8), whole, rtol=0, atol=1e-12)
    assert (split(6) - whole).abs().max() > 1e-3


def test_lanes_may_differ_in_the_learning_rate() -> None:
    memories = [build("ttt-linear", base_lr=rate).double() for rate in (0.25, 1.0)]
    keys, values = events(1, 9, dtype=torch.float64)
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    reads = lanes.read(state, keys.expand(2, -1, -1))
    torch.testing.assert_close(4 * reads[0], reads[1], rtol=0, atol=1e-12)


def test_the_layer_norm_needs_one_width() -> None:
    with pytest.raises(InvalidParameter, match=r"key_dim = value_dim, got 6 and 5") as refused:
        build("ttt-linear", form="layernorm")
    assert refused.value.parameter == "form"


@pytest.mark.parametrize(("form", "words"), [("plain", 64 * 64), ("layernorm", 64 * 64 + 64)])
def test_its_only_size_is_a_matrix(form: str, words: int) -> None:
    cls = registry.get("memory", "ttt-linear").cls
    assert cls.from_budget(words, 64, 64, form=form) == {}
    memory = build("ttt-linear", key_dim=64, value_dim=64, form=form)
    assert state_floats(memory.init_state()) == words
    with pytest.raises(InvalidParameter, match="budget"):
        cls.from_budget(words - 1, 64, 64, form=form)
