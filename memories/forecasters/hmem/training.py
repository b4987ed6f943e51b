"""How H-Mem's weights follow the gradient: groups, warm-up, schedule, clipping, guards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from memories.adam import adamw_step
from memories.base import State

RATES = {"snma": 1.0, "chrc": 0.5, "fusion": 0.5, "backbone": 0.1}
"""Learning rate of each part, as a share of the online learning rate."""
FIRST = "snma"
"""The part that learns during the warm-up."""
FLOOR = 0.01
"""Where the cosine schedule ends, as a share of the online learning rate."""
NORM_EPS = 1e-6


class OnlineTraining(nn.Module):
    """AdamW on one flat vector per part, one step per revealed target, skipped if not finite.

    Each part is a parameter group with its own learning rate. For the first `warmup_steps` steps
    only SNMA learns: of the others neither weights nor moments move, and their steps are counted
    from there on.

    State: ``trained`` (steps taken) and ``revealed`` (targets that could have been trained on);
    of each part its ``weights`` [P], ``first_moment`` [P] and ``second_moment`` [P], under the
    part's name.

    Args:
        parts: The parts that learn.
        total: Targets of the whole run; with the steps taken on them the cosine ends.
        schedule: ``cosine`` from each part's rate to `FLOOR`; ``const`` keeps it.
        clip: Largest norm of the gradient over all parts that learn; None for any.
        weight_decay: Decoupled weight decay.
        warmup_steps: Steps during which only SNMA learns.
        joint_training: Whether the other parts learn after that.
        train_every: Every how many revealed targets a step is taken.
    """

    def __init__(
        self,
        parts: Iterable[str],
        total: int,
        *,
        schedule: Literal["const", "cosine"],
        clip: float | None,
        weight_decay: float,
        warmup_steps: int,
        joint_training: bool,
        train_every: int,
    ) -> None:
        super().__init__()
        self.parts, self.total = tuple(parts), max(1, total // train_every)
        self.schedule, self.clip, self.weight_decay = schedule, clip, weight_decay
        self.warmup_steps, self.joint_training = warmup_steps, joint_training
        self.train_every = train_every

    def init_state(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The initial weights [P] of each part, no moments, no steps."""
        state: dict[str, Tensor] = {}
        for part, vector in weights.items():
            entries = (vector, torch.zeros_like(vector), torch.zeros_like(vector))
            state |= dict(zip(_names(part), entries, strict=True))
        device = next(iter(weights.values())).device
        for counter in ("trained", "revealed"):
            state[counter] = torch.zeros((), dtype=torch.int64, device=device)
        return state

    def weights(self, state: State) -> dict[str, Tensor]:
        """The present weights [P] of each part."""
        return {part: state[_names(part)[0]] for part in self.parts}

    def warm(self, state: State) -> Tensor:
        """Whether the warm-up is over, a bool scalar."""
        return state["trained"] >= self.warmup_steps

    def due(self, state: State, complete: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The state after a target was revealed or not, and whether to take a step on it."""
        revealed = state["revealed"] + complete
        due = complete if self.train_every == 1 else complete & (revealed % self.train_every == 0)
        return {**state, "revealed": revealed}, due

    def step(
        self,
        state: State,
        gradients: Mapping[str, Tensor],
        loss: Tensor,
        due: Tensor,
        online_lr: Tensor,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The state after one step, and whether it was due but not finite.

        With weights, moments and gradients finite, new weights and moments are finite too.

        Args:
            state: Entries of `init_state`.
            gradients: [P] of each part.
            loss: Scalar.
            due: Bool scalar; where false nothing changes.
            online_lr: Learning rate of SNMA, a scalar.
        """
        trained = state["trained"]
        learning = {part: self._learning(part, trained) for part in self.parts}
        square, scale = self._clipping(gradients, learning)
        finite = (square + loss).isfinite()
        go = due & finite
        new = {**state, "trained": trained + go}
        for part in self.parts:
            names, on = _names(part), learning[part]
            gradient = gradients[part] if scale is None else gradients[part] * scale
            weights, first, second = (state[name] for name in names)
            moved = adamw_step(
                weights,
                gradient,
                first,
                second,
                self._steps(part, trained),
                self.learning_rate(part, trained, online_lr),
                self.weight_decay,
                enable=go if on is None else go & on,
            )
            new |= dict(zip(names, moved, strict=True))
        return new, due & ~finite

    def learning_rate(self, part: str, trained: Tensor, online_lr: Tensor) -> Tensor:
        """Learning rate of a part after that many steps, a scalar."""
        share = RATES[part]
        if self.schedule == "const":
            return share * online_lr
        phase = trained.clamp(max=self.total) * (math.pi / self.total)
        return (FLOOR + (share - FLOOR) * (1 + phase.cos()) / 2) * online_lr

    def _learning(self, part: str, trained: Tensor) -> Tensor | None:
        """Whether a part learns after that many steps, a bool scalar; None for always."""
        if part == FIRST or (self.joint_training and not self.warmup_steps):
            return None
        return (
            trained >= self.warmup_steps if self.joint_training else torch.zeros_like(trained) > 0
        )

    def _steps(self, part: str, trained: Tensor) -> Tensor:
        """Steps that a part has taken."""
        if part == FIRST or not self.warmup_steps:
            return trained
        return (trained - self.warmup_steps).clamp(min=0)

    def _clipping(
        self, gradients: Mapping[str, Tensor], learning: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        """Squared norm of the gradient over what learns, and the factor that limits it."""
        squares = []
        for part, gradient in gradients.items():
            own, on = torch.dot(gradient, gradient), learning[part]
            squares.append(own if on is None else torch.where(on, own, 0.0))
        square = squares[0] if len(squares) == 1 else torch.stack(squares).sum()
        if self.clip is None:
            return square, None
        return square, (self.clip / (square.sqrt() + NORM_EPS)).clamp(max=1)


def _names(part: str) -> tuple[str, str, str]:
    """State entries of a part: weights and both moments."""
    return f"{part}/weights", f"{part}/first_moment", f"{part}/second_moment"
