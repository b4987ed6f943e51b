"""Maximally interfered retrieval: rehearse what the next step would harm most."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import grad

from bench.registry import memory
from memories.base import State
from memories.forecasters.online.adapted import squared_errors
from memories.forecasters.online.replay import REPLAYED, Replay, ReplayForecaster


@memory("mir", family="online-learning", source="Aljundi et al. 2019")
class MIR(ReplayForecaster):
    """`er` that replays those of a random set of older pairs that `ogd`'s step would harm most.

    With theta' the weights after one Adam step on the newest complete pair alone, the older pairs
    are the eight candidates of largest l(theta'; X_b, Y_b) - l(theta; X_b, Y_b) (Aljundi et al.
    2019); of equal ones the first drawn. Then one step from theta on the loss of `er`. As in the
    original, the virtual step is what the learning optimiser would do: here Adam's.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        steps: Upper bound on the rows to be observed.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.
        capacity: Pairs that the reservoir holds.
        candidates: Pairs drawn from the reservoir, without replacement, to choose among.
        replay_weight: Weight of the older pairs' loss; 0 is `ogd`.
        generator: Decides what the reservoir keeps and what is drawn.

    Raises:
        InvalidParameter: If there are more candidates than the reservoir holds.
    """

    replay_weight: Tensor

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        steps: int,
        backbone: nn.Module,
        *,
        learning_rate: Annotated[float, Ge(0)] = 1e-5,
        capacity: Annotated[int, Ge(8)] = 500,
        candidates: Annotated[int, Ge(8)] = 50,
        replay_weight: Annotated[float, Ge(0)] = 0.2,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            channels,
            lookback,
            horizon,
            steps,
            backbone,
            learning_rate=learning_rate,
            capacity=capacity,
            draws=candidates,
            replace=False,
            generator=generator,
        )
        self.scalar("replay_weight", replay_weight)

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the recent pair and the eight most interfered ones."""
        replay = self.replay(state, recent)
        windows, targets = replay.windows, replay.targets
        newest = self._gradient(state, windows[:1], targets[:1], windows.new_ones(1))
        virtual = self.learned(state, newest)["weights"]
        worst = self._most_interfered(state["weights"], virtual, replay)
        exists = replay.share.index_select(0, worst) > 0
        older = self._gradient(
            state,
            windows.index_select(0, 1 + worst),
            targets.index_select(0, 1 + worst),
            exists / exists.sum().clamp(min=1),
        )
        learned = self.learned(state, newest + self.replay_weight * older)
        return learned | self.remembered(state, replay)

    def _gradient(self, state: State, windows: Tensor, targets: Tensor, share: Tensor) -> Tensor:
        """Gradient [P] of the mean loss of some pairs, weighted by their shares."""

        def loss(weights: Tensor) -> Tensor:
            return share @ squared_errors(self.forecast(weights, windows), targets)

        gradient: Tensor = grad(loss)(state["weights"])
        return gradient

    def _most_interfered(self, weights: Tensor, virtual: Tensor, replay: Replay) -> Tensor:
        """Numbers [8] of the candidates whose loss grows most from `weights` to `virtual`."""
        windows, targets = replay.windows[1:], replay.targets[1:]
        before, after = self.forecast(weights, windows), self.forecast(virtual, windows)
        # |a|^2 - |b|^2 as (a - b)(a + b): the difference of two losses would be mostly rounding
        growth = ((after - before) * (after + before - 2 * targets)).mean((-2, -1))
        growth = torch.where(replay.share > 0, growth, -torch.inf)
        return torch.sort(growth, descending=True, stable=True).indices[:REPLAYED]
