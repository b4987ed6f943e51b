"""Titans: its gradients, its chunks, the delta rule it contains, its gates and its size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import gelu

from bench import registry
from bench.lanes import Lanes
from memories.base import InvalidParameter, state_floats
from memories.features import unit
from tests.memories.case import build, events, generator, unit_rows
from tests.memories.cases.networks import CASES
from tests.reference import titans as loop

reference: Callable[[Any], Any] = next(case.reference for case in CASES if case.name == "titans")


def stirred(seed: int, **params: Any) -> Any:
    """A float64 memory whose slow weights are all random, gates included."""
    memory = build("titans", **params).double()
    rng = generator(seed)
    with torch.no_grad():
        for weight in memory.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=rng, dtype=torch.float64))
    return memory


def written(memory: Any, keys: Tensor, values: Tensor) -> dict[str, Tensor]:
    return memory.write(memory.init_state(), keys, values)


@pytest.mark.parametrize("model", ["mlp", "linear"])
def test_a_step_follows_the_gradient_that_autograd_finds(model: str) -> None:
    """Without momentum and forgetting a chunk subtracts step times the sum of gradients."""
    memory = stirred(1, model=model, momentum=0.0, step=0.25, chunk=9)
    keys, values = unit(events(2, 9, dtype=torch.float64)[0]), unit_rows(3, 9, 5).double()
    before = written(memory, keys[:3], values[:3])
    names = [name for name in ("input_weights", "output_weights") if name in before]

    def loss(weights: dict[str, Tensor], k: Tensor, v: Tensor) -> Tensor:
        hidden = gelu(k @ weights["input_weights"]) if model == "mlp" else k
        return ((hidden @ weights["output_weights"] - v) ** 2).sum()

    surprise = vmap(grad(loss), in_dims=(None, 0, 0))({n: before[n] for n in names}, keys, values)
    after = memory.write(before, keys, values)
    for name in names:
        expected = before[name] - 0.25 * surprise[name].sum(0)
        torch.testing.assert_close(after[name], expected, rtol=0, atol=1e-12)
        assert surprise[name].abs().max() > 1e-3


@pytest.mark.parametrize("learned_gates", [False, True])
@pytest.mark.parametrize("model", ["mlp", "linear"])
@pytest.mark.parametrize("chunk", [1, 4, 16, 64])
def test_weights_and_momentum_equal_the_loop_in_chunks(
    chunk: int, model: str, learned_gates: bool
) -> None:
    """21 events: whole chunks with a rest, and less than one chunk."""
    memory = stirred(
        1, chunk=chunk, model=model, learned_gates=learned_gates, forget=0.125, momentum=0.75
    )
    keys, values = events(2, 21, dtype=torch.float64)
    state = written(memory, keys, values)
    options = reference(memory).keywords
    weights, momenta = loop.trained(keys, values, **options)
    names = ["input", "output"] if model == "mlp" else ["output"]
    for name, weight, momentum in zip(names, weights, momenta, strict=True):
        torch.testing.assert_close(state[f"{name}_weights"], weight, rtol=0, atol=1e-11)
        torch.testing.assert_close(state[f"{name}_momentum"], momentum, rtol=0, atol=1e-11)


@pytest.mark.parametrize("write_strength", [0.25, 0.5, 1.0])
def test_the_linear_model_without_momentum_is_the_delta_rule(write_strength: float) -> None:
    """The gradient of |k W - v|^2 is 2 k^T (k W - v): a step of half the strength."""
    memory = build("titans", model="linear", momentum=0.0, step=write_strength / 2).double()
    delta = build("delta", write_strength=write_strength).double()
    keys, values = events(1, 30, dtype=torch.float64)
    state = written(memory, keys, values)
    expected = delta.write(delta.init_state(), keys, values)["fast_weights"]
    torch.testing.assert_close(state["output_weights"], expected, rtol=0, atol=1e-12)


def test_chunks_are_counted_from_the_start_of_a_call() -> None:
    """A split on a border of chunks changes nothing, any other does."""
    memory = build("titans", chunk=4).double()
    keys, values = events(1, 12, dtype=torch.float64)
    whole = written(memory, keys, values)["output_weights"]

    def split(cut: int) -> Tensor:
        state = memory.write(written(memory, keys[:cut], values[:cut]), keys[cut:], values[cut:])
        return state["output_weights"]

    torch.testing.assert_close(split(8), whole, rtol=0, atol=1e-12)
    assert (split(6) - whole).abs().max() > 1e-4


def test_forgetting_all_leaves_the_momentum_alone() -> None:
    """forget = 1: M = S after every event, whatever the weights were."""
    memory = build("titans", forget=1.0, momentum=0.5, init="xavier")
    state = written(memory, *events(1, 9))
    for layer in ("input", "output"):
        assert torch.equal(state[f"{layer}_weights"], state[f"{layer}_momentum"])
        assert state[f"{layer}_momentum"].any()


def test_learned_gates_start_at_the_constants() -> None:
    """To float32 rounding of the logits, which nine events carry on; zero starts at 0.0025."""
    keys, values = events(1, 9, dtype=torch.float64)
    rates = {"momentum": 0.5, "step": 0.125, "forget": 0.25}
    fixed, learned = (
        build("titans", learned_gates=learned, **rates).double() for learned in (False, True)
    )
    for name, entry in written(fixed, keys, values).items():
        torch.testing.assert_close(
            written(learned, keys, values)[name], entry, rtol=1e-5, atol=1e-6
        )
    started = build("titans", learned_gates=True).gate_bias.detach().sigmoid()
    torch.testing.assert_close(started, torch.tensor([0.6, 0.05, 0.0025]))


def test_a_learned_gate_sees_the_event() -> None:
    memory = build("titans", learned_gates=True)
    keys, values = events(1, 9)
    before = written(memory, keys, values)["output_weights"]
    with torch.no_grad():
        memory.gate_weights.add_(1.0)
    assert (written(memory, keys, values)["output_weights"] - before).abs().max() > 1e-3


def test_initial_weights_are_zero_in_the_last_layer_or_drawn() -> None:
    """Drawn ones recall noise after the first event, and zeros before it."""
    assert not build("titans").initial_output.any()
    memory = build("titans", key_dim=64, value_dim=64, init="xavier")
    deviation = float(memory.initial_output.detach().std())
    # N(0, 2 / (256 + 64)); 16,384 draws fix a deviation to 0.6 %
    assert deviation == pytest.approx((2 / 320) ** 0.5, rel=0.03)
    queries = unit_rows(1, 5, 64)
    assert not memory.read(memory.init_state(), queries).any()


def test_random_pairs_are_decoded_up_to_one_per_dimension() -> None:
    """64 pairs of unit vectors in 64 dimensions; their cosine, 0.70, is that of a linear map."""
    memory = build("titans", key_dim=64, value_dim=64)
    keys, values = unit_rows(1, 64, 64), unit_rows(2, 64, 64)
    with torch.no_grad():
        recalled = memory.read(written(memory, keys, values), keys)
    assert torch.equal((recalled @ values.mT).argmax(-1), torch.arange(64))
    cosine = torch.nn.functional.cosine_similarity(recalled, values).mean()
    assert float(cosine) == pytest.approx(0.70, abs=0.05)


@pytest.mark.parametrize(
    ("parameter", "pair"), [("momentum", (0.0, 0.5)), ("step", (0.05, 0.2)), ("forget", (0.0, 0.5))]
)
def test_lanes_may_differ_in_a_rate(parameter: str, pair: tuple[float, float]) -> None:
    memories = [build("titans", **{parameter: rate}).double() for rate in pair]
    keys, values = events(1, 9, dtype=torch.float64)
    lanes = Lanes(memories)
    state = lanes.write(lanes.init_state(), keys.expand(2, -1, -1), values.expand(2, -1, -1))
    reads = lanes.read(state, keys.expand(2, -1, -1))
    for among, memory in zip(reads, memories, strict=True):
        alone = memory.read(written(memory, keys, values), keys)
        torch.testing.assert_close(among, alone, rtol=0, atol=1e-12)
    assert (reads[0] - reads[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"model": "linear", "hidden": 9}, "hidden"),
        ({"learned_gates": True, "step": 1.0}, "step"),
        ({"learned_gates": True, "forget": 1.0}, "forget"),
    ],
)
def test_what_cannot_work_is_refused_by_name(params: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        build("titans", **params)
    assert refused.value.parameter == parameter
    assert refused.value.help


def test_a_budget_counts_weights_and_momentum() -> None:
    """2 (D + V) words per hidden unit; 2 D V for the linear model, which has one size."""
    cls = registry.get("memory", "titans").cls
    assert cls.from_budget(4096, 64, 64) == {"hidden": 16}
    memory = build("titans", key_dim=64, value_dim=64, **cls.from_budget(4096, 64, 64))
    assert state_floats(memory.init_state()) == 4096
    sized = cls.from_budget(8192, 64, 64, model="linear")
    memory = build("titans", key_dim=64, value_dim=64, **sized)
    assert state_floats(memory.init_state()) == 8192
    for budget, params in ((255, {}), (8191, {"model": "linear"})):
        with pytest.raises(InvalidParameter, match="budget"):
            cls.from_budget(budget, 64, 64, **params)
