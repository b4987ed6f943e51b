"""An LSTM that runs over the events and is asked for a value."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.networks.recurrent_writer import RecurrentWriter


@memory("lstm-writer", family="networks", source="Hochreiter & Schmidhuber 1997; Gers et al. 2000")
class LstmWriter(RecurrentWriter):
    """Recalls values from the hidden state of an LSTM that has run over the events.

    i, f, o = sigmoid and g = tanh of W [k; v] + U h + b; c <- f c + i g; h <- o tanh(c). A read is
    a network of two GELU layers, of width 2 hidden each, on [h; q]. All its weights are slow:
    untrained it recalls noise. A memory without events recalls zeros.

    State: ``hidden`` and ``cell`` [hidden], ``count``.

    Args:
        key_dim: D.
        value_dim: V.
        hidden: Width of h and c.
        generator: Source of the weights.
    """

    vectors = ("hidden", "cell")
    gates = 4

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
        admit, keep, content, show = (given + recurrent).chunk(self.gates)
        cell = keep.sigmoid() * vectors[1] + admit.sigmoid() * torch.tanh(content)
        return show.sigmoid() * torch.tanh(cell), cell
