"""A GRU that runs over the events and is asked for a value."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.networks.recurrent_writer import RecurrentWriter


@memory("gru-writer", family="networks", source="Cho et al. 2014")
class GruWriter(RecurrentWriter):
    """Recalls values from the hidden state of a GRU that has run over the events.

    r, z = sigmoid of W [k; v] + U h + b; n = tanh(W_n [k; v] + b_n + r (U_n h + b_h));
    h <- (1 - z) n + z h, the reset after the product as in cuDNN. A read is a network of two GELU
    layers, of width 2 hidden each, on [h; q]. All its weights are slow: untrained it recalls
    noise. A memory without events recalls zeros.

    State: ``hidden`` [hidden], ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        hidden: Width of h.
        generator: Source of the weights.
    """

    vectors = ("hidden",)
    gates = 3

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        hidden: Annotated[int, Ge(1)] = 128,
        generator: torch.Generator,
    ) -> None:
        super().__init__(key_dim, value_dim, hidden=hidden, generator=generator)

    @override
    def step(
        self, given: Tensor, recurrent: Tensor, vectors: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        reset, update, content = given.chunk(self.gates)
        past_reset, past_update, past_content = recurrent.chunk(self.gates)
        candidate = torch.tanh(content + (reset + past_reset).sigmoid() * past_content)
        kept = (update + past_update).sigmoid()
        return ((1 - kept) * candidate + kept * vectors[0],)
