"""Titans against the package titans-pytorch.

There, the loss is a mean over dimensions, so that its step is ours times their number; a token
gives both key and value, here as two halves picked out by the projections.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.memories.case import build, unit_rows

DIM, HIDDEN, N = 5, 12, 20
WIDTH = 2 * DIM
# the logit of one half is zero, exact in the package's float32 bias
MOMENTUM, STEP = 0.5, 0.05


@pytest.fixture(scope="module")
def package() -> Any:
    with warnings.catch_warnings():
        # its dependency rotary-embedding-torch scripts a function while it is imported
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
        return pytest.importorskip("titans_pytorch", reason="titans-pytorch is not installed")


def tokens() -> tuple[Tensor, Tensor, Tensor]:
    """Tokens [N, 2d] and the keys [k; 0] and values [v; 0] that are picked out of them."""
    keys, values = (unit_rows(seed, N, DIM).double() for seed in (1, 2))
    keys, nothing = keys / keys.norm(dim=-1, keepdim=True), torch.zeros_like(keys)
    return (
        torch.cat([keys, values], dim=-1),
        torch.cat([keys, nothing], dim=-1),
        torch.cat([values, nothing], dim=-1),
    )


def ours(model: str, momentum: float, chunk: int) -> Any:
    """A memory of which both layers are drawn."""
    memory = build(
        "titans",
        key_dim=WIDTH,
        value_dim=WIDTH,
        hidden=HIDDEN if model == "mlp" else None,
        model=model,
        momentum=momentum,
        step=STEP,
        init="xavier",
        chunk=chunk,
    ).double()
    # settings are stored in float32; the package's biases are not
    memory.momentum.fill_(momentum)
    memory.step.fill_(STEP)
    return memory


def theirs(package: Any, memory: Any, momentum: float, batch_size: int | None) -> Any:
    """The package's memory with the same initial weights and constant gates.

    Its own random initial weights are all overwritten.
    """
    layers = [memory.initial_output]
    if memory.initial_input is not None:
        layers.insert(0, memory.initial_input)
    network = package.MemoryMLP(WIDTH, depth=len(layers), expansion_factor=HIDDEN / WIDTH)
    neural = package.NeuralMemory(
        WIDTH,
        chunk_size=1,
        batch_size=batch_size,
        model=network,
        momentum=momentum > 0,
        pre_rmsnorm=False,
        mem_model_norm_add_residual=False,
        default_step_transform_max_lr=2 * STEP * WIDTH,
        init_adaptive_step_bias=0.0,
        init_momentum_bias=0.0 if momentum else None,
        init_decay_bias=-30.0,
    ).double()
    with torch.no_grad():
        for parameter, weights in zip(neural.memory_model_parameters, layers, strict=True):
            parameter.copy_(weights[None])
        eye, nothing = torch.eye(DIM), torch.zeros(DIM, DIM)
        first = torch.cat([torch.cat([eye, nothing], 1), torch.zeros(DIM, WIDTH)])
        second = torch.cat([torch.cat([nothing, eye], 1), torch.zeros(DIM, WIDTH)])
        neural.to_keys.weight.copy_(first)
        neural.to_values.weight.copy_(second)
    return neural


def weights_of(neural: Any, sequence: Tensor) -> list[Tensor]:
    """Weights after the whole sequence, whether or not they were refreshed."""
    with torch.no_grad():
        _, state = neural(sequence[None])
    last, _ = state.states
    return [weights[0] for weights in last.values()]


def written(memory: Any, keys: Tensor, values: Tensor) -> list[Tensor]:
    with torch.no_grad():
        state = memory.write(memory.init_state(), keys, values)
    names = ("input_weights", "output_weights")
    return [state[name] for name in names if name in state]


@pytest.mark.parametrize("momentum", [0.0, MOMENTUM])
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_refreshed_after_every_token_it_is_the_sequential_rule(
    package: Any, model: str, momentum: float
) -> None:
    """batch_size = chunk_size = 1; its decay gate of e^-30 and its momentum scan stay."""
    memory = ours(model, momentum, chunk=1)
    sequence, keys, values = tokens()
    expected = weights_of(theirs(package, memory, momentum, 1), sequence)
    for seen, wanted in zip(written(memory, keys, values), expected, strict=True):
        torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.0, MOMENTUM])
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_by_default_all_gradients_of_a_call_are_at_its_first_weights(
    package: Any, model: str, momentum: float
) -> None:
    """Our chunk of the whole call, and measurably not the sequential rule.

    If this fails, the package has begun to refresh its weights and its users get another memory.
    """
    sequence, keys, values = tokens()
    memory = ours(model, momentum, chunk=N)
    default = weights_of(theirs(package, memory, momentum, None), sequence)
    for seen, wanted in zip(written(memory, keys, values), default, strict=True):
        torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-10)
    sequential = written(ours(model, momentum, chunk=1), keys, values)
    gaps = [float((a - b).abs().max()) for a, b in zip(sequential, default, strict=True)]
    assert max(gaps) > 0.01


def test_a_linear_model_of_the_package_is_a_delta_rule(package: Any) -> None:
    """A step on the mean over n dimensions: strength 2 step / n, here 2 STEP."""
    memory = ours("linear", 0.0, chunk=1)
    with torch.no_grad():
        memory.initial_output.zero_()
    sequence, keys, values = tokens()
    (weights,) = weights_of(theirs(package, memory, 0.0, 1), sequence)
    delta = build("delta", key_dim=WIDTH, value_dim=WIDTH, write_strength=2 * STEP).double()
    delta.write_strength.fill_(2 * STEP)
    expected = delta.write(delta.init_state(), keys, values)["fast_weights"]
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-10)
