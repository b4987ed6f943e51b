"""One backbone trained alone by torch's own Adam, autograd and halving, nothing stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from memories.backbones.base import Backbone, Training


@dataclass
class Trained:
    """What it came to.

    Attributes:
        state: Parameters and buffers of the best epoch, by name.
        error: Its validation error.
        epoch: Which it was, from 1.
        epochs: Epochs that were run.
    """

    state: dict[str, Tensor]
    error: float
    epoch: int
    epochs: int


def train(
    module: nn.Module,
    rows: Tensor,
    lookback: int,
    horizon: int,
    train_origins: range,
    validation_origins: range,
    *,
    learning_rate: float,
    batch: int,
    max_epochs: int,
    patience: int,
    halved_after: int | None,
    order: Callable[[int], np.random.Generator],
    noise: Callable[[int], torch.Generator],
) -> Trained:
    """Adam over shuffled batches, the last one smaller; the learning rate is halved before every
    epoch beyond `halved_after`; stops after `patience` epochs without a better validation error.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    best = Trained({}, float("inf"), 0, 0)
    step = 0
    for epoch in range(1, max_epochs + 1):
        if halved_after is not None and epoch > halved_after:
            for group in optimiser.param_groups:
                group["lr"] /= 2
        shuffled = order(epoch).permutation(np.asarray(train_origins)).tolist()
        while shuffled:
            origins, shuffled = shuffled[:batch], shuffled[batch:]
            _step(module, optimiser, *_pairs(rows, lookback, horizon, origins), noise(step))
            step += 1
        with torch.no_grad():
            windows, targets = _pairs(rows, lookback, horizon, validation_origins)
            error = float((module(windows) - targets).square().mean())
        if error < best.error:
            state = {name: value.clone() for name, value in module.state_dict().items()}
            best = Trained(state, error, epoch, epoch)
        best.epochs = epoch
        if epoch - best.epoch >= patience:
            break
    return best


def _step(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    windows: Tensor,
    targets: Tensor,
    generator: torch.Generator,
) -> None:
    optimiser.zero_grad()
    if isinstance(module, Backbone):
        training = Training(torch.rand(module.noise_size(windows), generator=generator))
        forecast = module(windows, training)
        named = dict(module.named_buffers())
        changed = module.statistics(training)
    else:
        forecast, named, changed = module(windows), {}, {}
    (forecast - targets).square().mean().backward()
    optimiser.step()
    for name, value in changed.items():
        named[name].copy_(value)


def _pairs(
    rows: Tensor, lookback: int, horizon: int, origins: Sequence[int]
) -> tuple[Tensor, Tensor]:
    windows = torch.stack([rows[t - lookback + 1 : t + 1] for t in origins])
    return windows, torch.stack([rows[t + 1 : t + horizon + 1] for t in origins])
