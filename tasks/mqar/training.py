"""Training sequence models side by side: each lane has its weights, moments and learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional as F

from memories.adam import adam_step, flatten, unflatten
from tasks.mqar.generator import Sequences
from tasks.mqar.model import RecallModel

WEIGHT_DECAY = 0.1
CLIP = 1.0
"""Longest gradient of a lane; a longer one is brought to this length."""
CHUNK_ELEMENTS = 2**17
"""Activations (tokens times width) that one call holds on a CPU.

More leave its caches: 64 sequences of 256 tokens take half as long again in one piece.
"""
CHUNK_ELEMENTS_ELSEWHERE = 2**24
"""The same on other devices, where few large calls are what is fast."""


class Training:
    """L models in training, one per lane, by AdamW with a cosine of the learning rate to zero.

    The loss of a lane is the cross-entropy over the whole vocabulary, at the queries alone
    (Loshchilov & Hutter 2019; decay 0.1 of every weight, gradient clipped to length 1). A lane
    takes the steps that it takes alone.

    Args:
        models: One per lane, of one layout.
        rates: Learning rate of each lane at its first step.
        steps: Steps of the whole training.

    Attributes:
        weights: [L, P].
        losses: Loss of every step taken, [L, steps]; zero where it has not been taken yet.
        taken: Steps taken.
    """

    def __init__(self, models: Sequence[RecallModel], rates: Sequence[float], steps: int) -> None:
        self.model = models[0]
        self.steps = steps
        self.taken = 0
        self.weights = torch.stack([flatten(model).detach() for model in models])
        self.first = torch.zeros_like(self.weights)
        self.second = torch.zeros_like(self.weights)
        self.losses = self.weights.new_zeros(len(models), steps)
        buffers = [dict(model.named_buffers()) for model in models]
        self._buffers = {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
        self._rates = self.weights.new_tensor(list(rates))[:, None]

    def step(self, batch: Sequences) -> None:
        """One step of every lane; the batch [L, B, ...] holds each lane's own sequences."""
        loss, gradient = self.gradient(batch)
        cosine = (1 + math.cos(math.pi * self.taken / self.steps)) / 2
        rates = self._rates * cosine
        norm = gradient.norm(dim=-1, keepdim=True)
        gradient = gradient * (CLIP / norm.clamp(min=CLIP))
        taken = torch.tensor(self.taken, device=gradient.device)
        self.weights, self.first, self.second, _ = adam_step(
            self.weights * (1 - rates * WEIGHT_DECAY),
            gradient,
            self.first,
            self.second,
            taken,
            rates,
        )
        self.losses[:, self.taken] = loss
        self.taken += 1

    def gradient(self, batch: Sequences) -> tuple[Tensor, Tensor]:
        """Loss [L] and gradient [L, P] of every lane on its batch."""
        found = [self._gradient_of(lanes, batch) for lanes in self._lanes(batch.tokens)]
        losses, gradients = zip(*found, strict=True)
        return torch.cat(losses), torch.cat(gradients)

    def _gradient_of(self, lanes: slice, batch: Sequences) -> tuple[Tensor, Tensor]:
        """Loss and gradient of some lanes, summed over parts of their batch."""
        weights = self.weights[lanes].clone().requires_grad_()
        buffers = self._buffers_of(lanes)
        total, gradient = weights.new_zeros(weights.shape[0]), torch.zeros_like(weights)
        for rows in self._rows(batch.tokens):
            tokens = batch.tokens[lanes, rows]
            at, answers = batch.at[lanes, rows], batch.answers[lanes, rows]
            share = tokens.shape[1] / batch.tokens.shape[1]
            loss = share * vmap(self._loss)(weights, buffers, tokens, at, answers)
            # lanes share no weight, so the gradient of the sum is each lane's own
            gradient = gradient + torch.autograd.grad(loss.sum(), weights)[0]
            total = total + loss.detach()
        return total, gradient

    def logits(self, tokens: Tensor, at: Tensor) -> Tensor:
        """Logits [L, B, n, V] of every lane at positions [L, B, n] of its tokens [L, B, T]."""
        with torch.no_grad():
            return torch.cat([self._logits_of(own, tokens, at) for own in self._lanes(tokens)])

    def _logits_of(self, lanes: slice, tokens: Tensor, at: Tensor) -> Tensor:
        """Logits of some lanes, part of their batch by part."""
        forward = vmap(self._forward)
        weights, buffers = self.weights[lanes], self._buffers_of(lanes)
        parts = [
            forward(weights, buffers, tokens[lanes, rows], at[lanes, rows])
            for rows in self._rows(tokens)
        ]
        return torch.cat(parts, dim=1)

    def tensors(self) -> dict[str, Tensor]:
        """All that is needed to go on from here, beside `taken`."""
        return {
            "weights": self.weights,
            "first": self.first,
            "second": self.second,
            "losses": self.losses,
        }

    def restore(self, kept: Mapping[str, Tensor], taken: int) -> None:
        """Go back to where `tensors` was taken."""
        self.weights, self.losses = kept["weights"], kept["losses"]
        self.first, self.second = kept["first"], kept["second"]
        self.taken = taken

    def _forward(
        self, weights: Tensor, buffers: dict[str, Tensor], tokens: Tensor, at: Tensor
    ) -> Tensor:
        named = unflatten(self.model, weights)
        logits: Tensor = functional_call(self.model, (named, buffers), (tokens, at))
        return logits

    def _loss(
        self,
        weights: Tensor,
        buffers: dict[str, Tensor],
        tokens: Tensor,
        at: Tensor,
        answers: Tensor,
    ) -> Tensor:
        logits = self._forward(weights, buffers, tokens, at)
        return F.cross_entropy(logits.flatten(0, 1), answers.flatten())

    def _lanes(self, tokens: Tensor) -> Iterator[slice]:
        """The lanes of each call, for tokens [L, B, T]."""
        return _spans(tokens.shape[0], self._room(tokens) // tokens[0].numel())

    def _rows(self, tokens: Tensor) -> Iterator[slice]:
        """The sequences of each call."""
        return _spans(tokens.shape[1], self._room(tokens) // tokens.shape[2])

    def _room(self, tokens: Tensor) -> int:
        """Tokens that one call may hold."""
        on_cpu = tokens.device.type == "cpu"
        elements = CHUNK_ELEMENTS if on_cpu else CHUNK_ELEMENTS_ELSEWHERE
        return elements // self.model.embedding.shape[1]

    def _buffers_of(self, lanes: slice) -> dict[str, Tensor]:
        return {name: buffer[lanes] for name, buffer in self._buffers.items()}


def _spans(n: int, at_once: int) -> Iterator[slice]:
    step = max(1, at_once)
    return (slice(start, start + step) for start in range(0, n, step))
