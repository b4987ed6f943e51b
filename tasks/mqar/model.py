"""The sequence model around a memory: one block, whose only way to look far back is the memory."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from memories.base import AssociativeMemory

Gate: TypeAlias = Literal["write", "keep"]

KERNEL = 4
"""Tokens that a convolution sees: enough to put a value beside the key before it."""
RMS_EPS = 1e-5
INITIAL_SD = 0.02
"""As published. Wider maps leave delta memories on a plateau for the whole of a short training."""
KEEP_AT_START = 0.99
"""What a keep gate starts at: a sequence of 64 tokens would retain half of its first event."""


class RecallModel(nn.Module):
    """Logits over the vocabulary after each token, in a model of one block around a memory.

    x = E[token]; h = LayerNorm(x); q, k, v = SiLU(causal depthwise convolution of A h); the memory
    writes (k_t, v_t) and then reads with q_t, event by event; y = x + B RMSNorm(read); logits =
    C LayerNorm(y) + c. The layer of DeltaNet (Yang et al. 2024) with the memory in place of its
    recurrence, one head, and no feed-forward part.

    Gates of a memory that takes them are write_t = sigmoid(w h_t) and
    keep_t = exp(-softplus(-u h_t - b)) = sigmoid(u h_t + b).

    Args:
        memory: The memory, for keys and values of the model's width; its slow weights are trained
            with the model.
        vocabulary: V.
        width: d.
        gates: Names of the gates to compute, of those that the memory takes.
        generator: Source of the initial weights. Models of one seed start alike, whatever the
            memory: gates are drawn last.
    """

    def __init__(
        self,
        memory: AssociativeMemory,
        vocabulary: int,
        width: int,
        *,
        gates: Collection[Gate] = ("write", "keep"),
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.memory = memory
        self.embedding = _normal(generator, vocabulary, width)
        self.project = _normal(generator, 3 * width, width)
        kernels = 2 * torch.rand(3 * width, KERNEL, generator=generator) - 1
        self.convolution = nn.Parameter(kernels / KERNEL**0.5)
        self.output = _normal(generator, width, width)
        self.unembedding = _normal(generator, vocabulary, width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.norm_in = _Norm(width)
        self.norm_read = nn.Parameter(torch.ones(width))
        self.norm_out = _Norm(width)
        self.gates = tuple(sorted(memory.takes_gates & set(gates)))
        self.gate_weight = _normal(generator, len(self.gates), width)
        start = {"write": 0.0, "keep": math.log(KEEP_AT_START / (1 - KEEP_AT_START))}
        self.gate_bias = nn.Parameter(torch.tensor([start[name] for name in self.gates]))

    def forward(self, tokens: Tensor, at: Tensor | None = None) -> Tensor:
        """Logits [B, n, V] at positions [B, n], or [B, T, V] at all, for tokens [B, T]."""
        x = F.embedding(tokens, self.embedding)
        h = self.norm_in(x)
        read = self._recall(h)
        if at is not None:
            index = at[..., None].expand(-1, -1, x.shape[-1])
            x, read = x.gather(1, index), read.gather(1, index)
        scale = (read.square().mean(-1, keepdim=True) + RMS_EPS).rsqrt()
        y = x + F.linear(read * scale * self.norm_read, self.output)
        return F.linear(self.norm_out(y), self.unembedding, self.bias)

    def _recall(self, h: Tensor) -> Tensor:
        """What the memory recalls after each token, [B, T, d]; each sequence has its own state."""
        mixed = F.silu(causal_convolution(F.linear(h, self.project), self.convolution))
        queries, keys, values = mixed.chunk(3, dim=-1)
        opened = torch.sigmoid(F.linear(h, self.gate_weight, self.gate_bias))
        gates = dict(zip(self.gates, opened.unbind(-1), strict=True))
        state = self.memory.init_state()

        def scan(keys: Tensor, values: Tensor, queries: Tensor, gates: dict[str, Tensor]) -> Tensor:
            reads, _ = self.memory.scan(state, keys, values, queries, gates=gates or None)
            return reads

        read: Tensor = vmap(scan)(keys, values, queries, gates)
        return read


class _Norm(nn.Module):
    """Layer normalisation with gain and offset."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.offset = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Vectors [..., d] at mean 0 and variance 1, scaled and shifted."""
        return F.layer_norm(x, x.shape[-1:], self.gain, self.offset)


def causal_convolution(x: Tensor, kernels: Tensor) -> Tensor:
    """Each channel of x [B, T, C] filtered with its own kernel [C, K], zeros before the start.

    Row t holds sum_j kernels[:, K-1-j] x[t-j]. Shifted products: as fast as `conv1d` here, and
    stacked kernels need no regrouping.
    """
    length, taps = x.shape[1], kernels.shape[1]
    padded = F.pad(x, (0, 0, taps - 1, 0))
    filtered = padded[:, :length] * kernels[:, 0]
    for j in range(1, taps):
        filtered = filtered + padded[:, j : j + length] * kernels[:, j]
    return filtered


def _normal(generator: torch.Generator, rows: int, inputs: int) -> nn.Parameter:
    """Weights [rows, inputs] around 0 with the standard deviation of `INITIAL_SD`."""
    return nn.Parameter(INITIAL_SD * torch.randn(rows, inputs, generator=generator))
