"""Training of an encoder and the memory whose tokens it reads, on rows before the stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from memories.adam import unflatten
from memories.backbones.tokens import TokenModel
from memories.base import State
from memories.forecasters.online.generator_training import Pairs
from memories.token_training.chronicle import Snapshots
from memories.token_training.lanes import TokenLanes

BATCH = 32
SNAPSHOT_EVERY = 32
"""Windows of a pass between two snapshots of the memory."""
LARGEST_SEED = 2**63 - 1


class JointTraining:
    """Trains a token model with memories that a stream could have held.

    Before each epoch, all windows of the training rows are passed in the order of time through an
    empty memory with the present weights, and what it holds is kept every 32 windows. Batches are
    shuffled; each of their windows reads the newest snapshot taken before it. No gradient reaches
    what is stored.

    Args:
        model: Encoder and memory, trained in place.
        pairs: Windows and targets by origin.
        written: Origins of the windows that the memory is given, in order.
        trained: Origins of those that are trained on, each of them written.
        learning_rate: Adam's step size.
        generator: Draws the order of the batches and the dropout.
    """

    def __init__(
        self,
        model: TokenModel,
        pairs: Pairs,
        written: range,
        trained: range,
        learning_rate: float,
        generator: torch.Generator,
    ) -> None:
        self.model, self.pairs, self.rng = model, pairs, generator
        self.written, self.trained = written, trained
        self.lanes = TokenLanes([model], learning_rate, [self._noise])
        self.snapshots = self._passed()
        self.steps = 0

    def epoch(self) -> State:
        """One Adam step per batch; the memory's state after the written windows, passed anew."""
        order = torch.randperm(len(self.trained), generator=self.rng)
        for picked in torch.split(order, BATCH):
            self._step(self.trained.start + self.trained.step * picked)
        self.snapshots = self._passed()
        self._into_model()
        return {name: entry[0] for name, entry in self.snapshots.after.items()}

    def _step(self, origins: Tensor) -> None:
        pairs = self.pairs.at(origins)
        picks = self.snapshots.before(origins - self.written.start).to(pairs.device)
        self.lanes.step(
            self.pairs.windows(pairs)[None],
            self.pairs.targets(pairs)[None],
            self.snapshots.stacked,
            picks[None],
            step=self.steps,
            share=1.0,
        )
        self.steps += 1

    def _passed(self) -> Snapshots:
        return Snapshots.taken(self.lanes, self._windows, self.written, SNAPSHOT_EVERY)

    def _windows(self, origins: Sequence[int]) -> Tensor:
        return self.pairs.windows(self.pairs.at(origins))

    def _noise(self, _step: int) -> torch.Generator:
        """A source of its own for each step's dropout: on another device its seed alone counts."""
        seed = int(torch.randint(LARGEST_SEED, (), generator=self.rng))
        return torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def _into_model(self) -> None:
        for name, value in unflatten(self.model, self.lanes.weights[0]).items():
            self.model.get_parameter(name).copy_(value)
        for name, value in self.lanes.buffers.items():
            self.model.get_buffer(name.removeprefix("model.")).copy_(value[0])
