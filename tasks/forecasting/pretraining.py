"""Pre-training of forecasting backbones on the training rows, early stopping on validation.

Seeds and learning rates are lanes of one loop: each lane has its own weights, Adam moments and
best epoch. The learning rate of a seed is the one whose best validation error is smallest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from memories.adam import unflatten
from tasks.base import Keeper
from tasks.data.splits import Split
from tasks.forecasting.recipes import Recipe
from tasks.forecasting.stream import CausalStream
from tasks.forecasting.training_lanes import BUFFER, Chance, TrainingLanes

QUIET_S = 10.0
"""Seconds before progress is reported: a short training is not worth a word, and would be taken
for the pace of the stream that follows it."""
BEST = "best/"
"""Prefix of the best epochs among the tensors of a check-point."""


@dataclass(frozen=True)
class Pretrained:
    """What pre-training one seed came to.

    Attributes:
        weights: Flat vector of the best epoch's weights.
        learning_rate: The chosen one.
        validation_mse: Its best mean squared error over the validation origins.
        epochs: Epoch of the best weights, from 1.
        capped: Whether it still improved in the last epochs allowed.
        buffers: The backbone's buffers at that epoch, batch statistics among them, by name.
    """

    weights: Tensor
    learning_rate: float
    validation_mse: float
    epochs: int
    capped: bool
    buffers: Mapping[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """The same as tensors, to be cached."""
        return {
            "weights": self.weights,
            "learning_rate": torch.tensor(self.learning_rate, dtype=torch.float64),
            "validation_mse": torch.tensor(self.validation_mse, dtype=torch.float64),
            "epochs": torch.tensor(self.epochs),
            "capped": torch.tensor(self.capped),
            **{BUFFER + name: buffer for name, buffer in self.buffers.items()},
        }

    @classmethod
    def from_tensors(cls, kept: Mapping[str, Tensor]) -> Pretrained:
        """What `tensors` described."""
        return cls(
            kept["weights"],
            float(kept["learning_rate"]),
            float(kept["validation_mse"]),
            int(kept["epochs"]),
            bool(kept["capped"]),
            {n.removeprefix(BUFFER): t for n, t in kept.items() if n.startswith(BUFFER)},
        )

    def into(self, module: nn.Module) -> nn.Module:
        """The module, given these weights and buffers, in evaluation mode."""
        named = unflatten(module, self.weights)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(named[name])
            for name, buffer in module.named_buffers():
                buffer.copy_(self.buffers[name])
        return module.eval()


def pretrain(
    backbones: Sequence[nn.Module],
    stream: CausalStream,
    split: Split,
    recipe: Recipe,
    chances: Sequence[Chance],
    *,
    keeper: Keeper | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Pretrained]:
    """Train one backbone per seed at every learning rate, and keep each seed's best.

    Args:
        backbones: Freshly initialised, one per seed; left as they are.
        stream: The scaled series, a lane per seed or one for all.
        split: Training and validation rows.
        recipe: How long and how fast.
        chances: Per seed the sources of batch order and dropout.
        keeper: Where an unfinished training is kept and found again.
        progress: Receives (done, total) steps of a training that takes long.
    """
    started = time.monotonic()
    lanes = TrainingLanes(backbones, recipe.learning_rates, stream, chances)
    best = _Best(lanes)
    train = split.train_origins(stream.lookback, stream.horizon)
    validation = split.selection_origins(stream.horizon)
    per_epoch = -(-len(train) // recipe.batch)
    total = recipe.max_epochs * per_epoch
    done = _resumed(keeper, lanes, best)
    order: np.ndarray[Any, Any] | None = None
    while done < total and len(lanes.numbers):
        epoch, batch = done // per_epoch + 1, done % per_epoch
        if order is None or batch == 0:
            order = np.stack([c.order(epoch).permutation(np.asarray(train)) for c in chances])
        origins = order[:, batch * recipe.batch : (batch + 1) * recipe.batch]
        lanes.step(origins, done, recipe.share(epoch))
        done += 1
        if done % per_epoch == 0:
            best.offer(epoch, lanes.evaluate(validation), lanes)
            lanes.keep(epoch - best.epoch[lanes.numbers] < recipe.patience)
        if keeper:
            keeper.offer(done, lambda: lanes.tensors() | best.tensors())
        if time.monotonic() - started > QUIET_S:
            progress(done, total)
    return [best.of(seed, recipe) for seed in range(len(backbones))]


def _resumed(keeper: Keeper | None, lanes: TrainingLanes, best: _Best) -> int:
    """Steps that an earlier run took; what it had come to is put into lanes and best."""
    kept = keeper.load() if keeper else None
    if kept is None:
        return 0
    tensors, done = kept
    lanes.restore(tensors)
    best.restore(tensors)
    return done


class _Best:
    """The best epoch so far of every lane, and its weights and buffers.

    Args:
        lanes: As initialised: what a lane keeps that never has a finite validation error.
    """

    def __init__(self, lanes: TrainingLanes) -> None:
        count = len(lanes.numbers)
        self.error = torch.full((count,), torch.inf, dtype=torch.float64)
        self.epoch = torch.zeros(count, dtype=torch.int64)
        self.weights = lanes.weights.clone()
        self.buffers = {name: buffer.clone() for name, buffer in lanes.buffers.items()}

    def offer(self, epoch: int, error: Tensor, lanes: TrainingLanes) -> None:
        """Keep weights and buffers of the lanes whose validation error [N] fell."""
        better = error < self.error[lanes.numbers]
        here = better.nonzero()[:, 0]
        there = lanes.numbers[here]
        self.error[there], self.epoch[there] = error[here], epoch
        device = self.weights.device
        here, there = here.to(device), there.to(device)
        self.weights[there] = lanes.weights[here]
        for name, buffer in lanes.buffers.items():
            self.buffers[name][there] = buffer[here]

    def of(self, seed: int, recipe: Recipe) -> Pretrained:
        """The seed's best learning rate."""
        rates = len(recipe.learning_rates)
        rate = int(self.error[seed * rates : (seed + 1) * rates].argmin())
        lane = seed * rates + rate
        epoch = int(self.epoch[lane])
        return Pretrained(
            self.weights[lane].clone(),
            recipe.learning_rates[rate],
            float(self.error[lane]),
            epoch,
            recipe.capped(epoch),
            {name: buffer[lane].clone() for name, buffer in self.buffers.items()},
        )

    def tensors(self) -> dict[str, Tensor]:
        """Everything, to be kept in a check-point."""
        own = {name: vars(self)[name] for name in ("error", "epoch", "weights")}
        buffers = {BUFFER + name: buffer for name, buffer in self.buffers.items()}
        return {BEST + name: tensor for name, tensor in (own | buffers).items()}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to where `tensors` was taken."""
        device = self.weights.device
        self.error, self.epoch = kept[f"{BEST}error"].cpu(), kept[f"{BEST}epoch"].cpu()
        self.weights = kept[f"{BEST}weights"].to(device)
        self.buffers = {name: kept[f"{BEST}{BUFFER}{name}"].to(device) for name in self.buffers}
