"""The model is the loop its equations describe, and sees the past alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench import registry
from memories.base import AssociativeMemory
from tasks.mqar.model import KEEP_AT_START, RecallModel, causal_convolution
from tests.tasks.mqar.layers import GateReader, Silent

VOCABULARY, WIDTH, LENGTH = 20, 6, 12
MEMORIES: dict[str, dict[str, Any]] = {
    "linear-assoc": {},
    "delta": {"chunk": 5},
    "ring-attention": {"capacity": 12},
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def memory(name: str) -> AssociativeMemory:
    cls = registry.get("memory", name).cls
    drawn = {} if name == "ring-attention" else {"generator": generator(5)}
    built: AssociativeMemory = cls(WIDTH, WIDTH, **MEMORIES[name], **drawn)
    return built


def model(inner: AssociativeMemory, **options: Any) -> RecallModel:
    """A model whose weights are large enough for every part to matter."""
    made = RecallModel(inner, VOCABULARY, WIDTH, generator=generator(1), **options)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            drawn = torch.randn(weight.shape, generator=generator(len(name)))
            weight.add_(0.5 * drawn)
    return made


def tokens(count: int = 3, seed: int = 2) -> Tensor:
    return torch.randint(VOCABULARY, (count, LENGTH), generator=generator(seed))


def by_hand(made: RecallModel, sequence: Tensor) -> Tensor:
    """Logits [T, V] of one sequence, token by token, by write and read alone."""
    p = dict(made.named_parameters())
    x = p["embedding"][sequence]
    h = F.layer_norm(x, (WIDTH,), p["norm_in.gain"], p["norm_in.offset"])
    projected = h @ p["project"].mT
    state = made.memory.init_state()
    logits = []
    for t in range(LENGTH):
        mixed = torch.zeros(3 * WIDTH, dtype=x.dtype)
        for back in range(min(t, 3) + 1):
            mixed = mixed + p["convolution"][:, 3 - back] * projected[t - back]
        q, k, v = F.silu(mixed)[None].split(WIDTH, dim=1)
        state = made.memory.write(state, k, v)
        read = made.memory.read(state, q)[0]
        normed = read / (read.square().mean() + 1e-5).sqrt() * p["norm_read"]
        y = x[t] + p["output"] @ normed
        out = F.layer_norm(y, (WIDTH,), p["norm_out.gain"], p["norm_out.offset"])
        logits.append(p["unembedding"] @ out + p["bias"])
    return torch.stack(logits)


@pytest.mark.parametrize("name", MEMORIES)
def test_logits_are_those_of_the_loop_over_tokens(name):
    """In float64, without gates, of which write and read know nothing; rounding alone differs."""
    made = model(memory(name), gates=()).double()
    asked = tokens()
    with torch.no_grad():
        expected = torch.stack([by_hand(made, sequence) for sequence in asked])
        torch.testing.assert_close(made(asked), expected, rtol=1e-9, atol=1e-9)


def test_logits_at_some_positions_are_a_part_of_all_logits():
    made = model(memory("delta"))
    at = torch.tensor([[3, 0, 11], [5, 5, 1], [10, 2, 7]])
    everywhere = made(tokens())
    index = at[..., None].expand(-1, -1, VOCABULARY)
    torch.testing.assert_close(made(tokens(), at), everywhere.gather(1, index))


@pytest.mark.parametrize("name", MEMORIES)
@pytest.mark.parametrize("t", [1, 5, 11])
def test_later_tokens_change_no_earlier_logits(name, t):
    made = model(memory(name))
    asked = tokens()
    changed = torch.cat([asked[:, :t], (asked[:, t:] + 1) % VOCABULARY], dim=1)
    before, after = made(asked), made(changed)
    assert torch.equal(before[:, :t], after[:, :t])
    assert ((before - after)[:, t:].abs().amax(-1) > 1e-4).all()


def test_a_sequence_leaves_no_trace_in_another():
    made = model(memory("delta"))
    together = made(tokens())
    for alone, sequence in zip(together, tokens(), strict=True):
        # other sizes of a product may be summed in another order
        torch.testing.assert_close(made(sequence[None])[0], alone, rtol=0, atol=1e-5)


def test_the_convolution_is_torchs_depthwise_one():
    x = torch.randn(2, 9, 5, generator=generator())
    kernels = torch.randn(5, 4, generator=generator(1))
    expected = F.conv1d(F.pad(x.mT, (3, 0)), kernels[:, None], groups=5).mT
    torch.testing.assert_close(causal_convolution(x, kernels), expected)
    short = causal_convolution(x[:, :2], kernels)
    torch.testing.assert_close(short, expected[:, :2])


class _Recalled(RecallModel):
    """Shows what its memory recalls."""

    def forward(self, tokens: Tensor, at: Tensor | None = None) -> Tensor:
        return self._recall(self.norm_in(F.embedding(tokens, self.embedding)))


def test_gates_start_at_a_half_and_at_what_the_memory_should_keep():
    made = _Recalled(GateReader(WIDTH, WIDTH), VOCABULARY, WIDTH, generator=generator())
    gates = made(tokens())
    # weights of sd .02 times 6 normalised inputs: logits within .2 of the bias
    torch.testing.assert_close(gates[..., 0], torch.full((3, LENGTH), 0.5), rtol=0, atol=0.06)
    kept = torch.full((3, LENGTH), KEEP_AT_START)
    torch.testing.assert_close(gates[..., -1], kept, rtol=0, atol=0.003)
    assert gates[..., 0].std() > 1e-3


def test_gates_follow_the_token_through_their_own_weights():
    made = _Recalled(GateReader(WIDTH, WIDTH), VOCABULARY, WIDTH, generator=generator())
    with torch.no_grad():
        made.gate_weight.zero_()
        # sorted by name: keep, then write
        made.gate_bias.copy_(torch.tensor([math.log(3.0), math.log(1 / 3)]))
    gates = made(tokens())
    torch.testing.assert_close(gates[..., 0], torch.full((3, LENGTH), 0.25))
    torch.testing.assert_close(gates[..., -1], torch.full((3, LENGTH), 0.75))


@pytest.mark.parametrize("asked", [(), ("write",), ("keep",), ("write", "keep")])
def test_only_gates_that_are_asked_for_are_computed(asked):
    made = _Recalled(
        GateReader(WIDTH, WIDTH), VOCABULARY, WIDTH, gates=asked, generator=generator()
    )
    gates = made(tokens())
    assert made.gates == tuple(sorted(asked))
    assert bool((gates[..., 0] > 0).all()) == ("write" in asked)
    assert bool((gates[..., -1] > 0).all()) == ("keep" in asked)


def test_a_memory_that_takes_no_gates_is_given_none():
    made = RecallModel(Silent(WIDTH, WIDTH), VOCABULARY, WIDTH, generator=generator())
    assert made.gate_bias.numel() == 0
    assert made(tokens()).isfinite().all()


def test_models_of_one_seed_start_alike_whatever_the_memory():
    made = [
        dict(
            RecallModel(memory(name), VOCABULARY, WIDTH, generator=generator(3)).named_parameters()
        )
        for name in MEMORIES
    ]
    shared = [name for name in made[0] if not name.startswith(("gate", "memory"))]
    assert len(shared) == 11
    for other in made[1:]:
        assert all(torch.equal(made[0][name], other[name]) for name in shared)


def test_without_a_memory_the_logits_depend_on_the_token_alone():
    made = model(Silent(WIDTH, WIDTH))
    logits = made(tokens())
    same = tokens()[:, :, None] == tokens().flatten()[None, None]
    flat = logits.flatten(0, 1)
    for row in range(3):
        for t in range(LENGTH):
            alike = flat[same[row, t]]
            torch.testing.assert_close(alike, logits[row, t].expand_as(alike))
