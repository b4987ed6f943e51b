"""Pre-training of forecasting backbones on the training rows, early stopping on validation.

Seeds and learning rates are lanes of one loop: each lane has its own weights, Adam moments and
best epoch. The learning rate of a seed is the one whose best validation error is smallest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from memories.adam import adam_step, flatten, unflatten
from tasks.data.splits import Split
from tasks.stream import CausalStream, squared_error

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
BATCH = 32
MAX_EPOCHS = 100
PATIENCE = 10
"""Epochs without a better validation error after which a lane keeps its best weights."""
EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Pretrained:
    """What pre-training one seed came to.

    Attributes:
        weights: Flat vector of the best epoch's weights.
        learning_rate: The chosen one.
        validation_mse: Its best mean squared error over the validation origins.
        epochs: Epoch of the best weights, from 1.
        capped: Whether it still improved in the last epochs allowed.
    """

    weights: Tensor
    learning_rate: float
    validation_mse: float
    epochs: int
    capped: bool

    def tensors(self) -> dict[str, Tensor]:
        """The same as tensors, to be cached."""
        return {
            "weights": self.weights,
            "learning_rate": torch.tensor(self.learning_rate, dtype=torch.float64),
            "validation_mse": torch.tensor(self.validation_mse, dtype=torch.float64),
            "epochs": torch.tensor(self.epochs),
            "capped": torch.tensor(self.capped),
        }

    @classmethod
    def from_tensors(cls, kept: dict[str, Tensor]) -> Pretrained:
        """What `tensors` described."""
        return cls(
            kept["weights"],
            float(kept["learning_rate"]),
            float(kept["validation_mse"]),
            int(kept["epochs"]),
            bool(kept["capped"]),
        )


def pretrain(
    backbones: Sequence[nn.Module],
    stream: CausalStream,
    split: Split,
    orders: Sequence[np.random.Generator],
) -> list[Pretrained]:
    """Train one backbone per seed at every learning rate, and keep each seed's best.

    Args:
        backbones: Freshly initialised, one per seed.
        stream: The scaled series, a lane per seed or one for all.
        split: Training and validation rows.
        orders: Per seed the generator of its batch order, the same at every learning rate.
    """
    run = _Training(backbones, stream)
    rates = len(LEARNING_RATES)
    seeds = len(backbones)
    train = split.train_origins(stream.lookback, stream.horizon)
    validation = list(split.selection_origins(stream.horizon))
    best = torch.full((seeds, rates), torch.inf, dtype=torch.float64)
    best_weights = run.weights.clone()
    best_epoch = torch.zeros(seeds, rates, dtype=torch.int64)
    for epoch in range(1, MAX_EPOCHS + 1):
        for origins in _batches(train, orders):
            run.step(origins)
        error = run.evaluate(validation)
        active = epoch - best_epoch <= PATIENCE
        better = active & (error < best)
        best = torch.where(better, error, best)
        best_epoch = torch.where(better, epoch, best_epoch)
        best_weights = torch.where(better[..., None], run.weights, best_weights)
        if bool((epoch - best_epoch >= PATIENCE).all()):
            break
    chosen = best.argmin(1)
    return [
        Pretrained(
            best_weights[s, k].clone(),
            LEARNING_RATES[k],
            float(best[s, k]),
            int(best_epoch[s, k]),
            bool(MAX_EPOCHS - best_epoch[s, k] < PATIENCE),
        )
        for s, k in enumerate(chosen.tolist())
    ]


def _batches(origins: range, orders: Sequence[np.random.Generator]) -> Iterator[np.ndarray]:
    """Origins [S, B] of each batch of an epoch; the last, smaller batch is kept."""
    shuffled = np.stack([order.permutation(np.asarray(origins)) for order in orders])
    for start in range(0, len(origins), BATCH):
        yield shuffled[:, start : start + BATCH]


class _Training:
    """Weights and moments [S, R, P] of all seeds and learning rates, and one step on them."""

    def __init__(self, backbones: Sequence[nn.Module], stream: CausalStream) -> None:
        self.module = backbones[0].train()
        self.stream = stream
        self.seeds = list(range(len(backbones)))
        start = torch.stack([flatten(b).detach() for b in backbones])
        self.weights = start[:, None].repeat(1, len(LEARNING_RATES), 1)
        self.first = torch.zeros_like(self.weights)
        self.second = torch.zeros_like(self.weights)
        self.taken = torch.zeros((), dtype=torch.int64)
        self.rates = torch.tensor(LEARNING_RATES)[None, :, None]
        self._gradient = vmap(vmap(grad(self._loss), (0, None, None)), (0, 0, 0))

    def _forecast(self, weights: Tensor, windows: Tensor) -> Tensor:
        named = unflatten(self.module, weights)
        forecast: Tensor = functional_call(self.module, named, (windows,))
        return forecast

    def _loss(self, weights: Tensor, windows: Tensor, targets: Tensor) -> Tensor:
        return squared_error(self._forecast(weights, windows), targets).mean()

    def step(self, origins: np.ndarray) -> None:
        """One Adam step of every lane on the batch of its seed."""
        windows, targets = self._gather(origins)
        with torch.no_grad():
            gradient = self._gradient(self.weights, windows, targets)
            self.weights, self.first, self.second, self.taken = adam_step(
                self.weights, gradient, self.first, self.second, self.taken, self.rates
            )

    def _gather(self, origins: np.ndarray) -> tuple[Tensor, Tensor]:
        """Windows [S, B, L, C] and targets [S, B, H, C] of each seed's own origins."""
        rows = self.stream.rows.expand(len(self.seeds), -1, -1)
        at = torch.from_numpy(origins)[..., None]
        lane = torch.arange(len(self.seeds))[:, None, None]
        back = torch.arange(1 - self.stream.lookback, 1)
        ahead = torch.arange(1, self.stream.horizon + 1)
        return rows[lane, at + back], rows[lane, at + ahead]

    def evaluate(self, origins: Sequence[int]) -> Tensor:
        """Mean squared error [S, R] of every lane over the origins."""
        total = torch.zeros(self.weights.shape[:2], dtype=torch.float64)
        forecast = vmap(vmap(self._forecast, (0, None)), (0, 0))
        self.module.eval()
        with torch.no_grad():
            for start in range(0, len(origins), EVALUATION_BATCH):
                part = origins[start : start + EVALUATION_BATCH]
                windows = self.stream.windows(part, self.seeds)
                truth = self.stream.targets(part, self.seeds).transpose(0, 1)
                error = squared_error(
                    forecast(self.weights, windows),
                    truth[:, None].expand(-1, len(LEARNING_RATES), -1, -1, -1),
                )
                total += error.double().sum(-1)
        self.module.train()
        return total / len(origins)
