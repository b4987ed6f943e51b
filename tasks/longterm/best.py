"""The best epoch of every lane: its weights, and what its memory held when training ended."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memories.base import State
from memories.token_training.lanes import BUFFER, TokenLanes

BEST = "best/"
"""Prefix of the best epochs among the tensors of a check-point."""
TRAINED = "trained/"


class Best:
    """Early stopping as in the Time-Series-Library: an equal error counts as an improvement.

    Args:
        lanes: As initialised: what a lane keeps that never has a finite validation error.
        trained: State of its memory, kept with the weights.
    """

    def __init__(self, lanes: TokenLanes, trained: State) -> None:
        count = len(lanes.numbers)
        self.error = torch.full((count,), torch.inf, dtype=torch.float64)
        self.epoch = torch.zeros(count, dtype=torch.int64)
        self.weights = lanes.weights.clone()
        self.buffers = {name: buffer.clone() for name, buffer in lanes.buffers.items()}
        self.trained = {name: entry.clone() for name, entry in trained.items()}

    def offer(self, epoch: int, error: Tensor, lanes: TokenLanes, trained: State) -> None:
        """Keep the lanes whose validation error [N] did not rise."""
        better = error <= self.error[lanes.numbers]
        here = better.nonzero()[:, 0]
        there = lanes.numbers[here]
        self.error[there], self.epoch[there] = error[here], epoch
        device = self.weights.device
        here, there = here.to(device), there.to(device)
        self.weights[there] = lanes.weights[here]
        for name, buffer in lanes.buffers.items():
            self.buffers[name][there] = buffer[here]
        for name, entry in trained.items():
            self.trained[name][there] = entry[here]

    def into(self, lanes: TokenLanes) -> State:
        """Give all lanes their best weights; the states that training left them with."""
        nothing = {"first": self.weights[:, :0], "second": self.weights[:, :0]}
        lanes.restore(
            {
                "numbers": torch.arange(len(self.error)),
                "weights": self.weights,
                **nothing,
                **{BUFFER + name: buffer for name, buffer in self.buffers.items()},
            }
        )
        return self.trained

    def tensors(self) -> dict[str, Tensor]:
        """Everything, to be kept in a check-point."""
        own = {name: vars(self)[name] for name in ("error", "epoch", "weights")}
        buffers = {BUFFER + name: buffer for name, buffer in self.buffers.items()}
        trained = {TRAINED + name: entry for name, entry in self.trained.items()}
        return {BEST + name: tensor for name, tensor in (own | buffers | trained).items()}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to where `tensors` was taken, with copies: `offer` writes into what is held."""

        def copied(name: str) -> Tensor:
            return kept[BEST + name].to(self.weights.device, copy=True)

        self.error, self.epoch = copied("error").cpu(), copied("epoch").cpu()
        self.weights = copied("weights")
        self.buffers = {name: copied(BUFFER + name) for name in self.buffers}
        self.trained = {name: copied(TRAINED + name) for name in self.trained}
