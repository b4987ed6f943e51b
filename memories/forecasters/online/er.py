"""Experience replay: the newest pair, rehearsed with older ones."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import grad

from bench.registry import memory
from memories.base import State
from memories.forecasters.online.adapted import squared_errors
from memories.forecasters.online.replay import ReplayForecaster


@memory("er", family="online-learning", source="Chaudhry et al. 2019; Pham et al. 2023")
class ER(ReplayForecaster):
    """One Adam step per revealed row on the newest complete pair and on eight older ones.

    loss = l(X_{t-H}, Y_{t-H}) + w mean_b l(X_b, Y_b), l the mean squared error and b eight pairs
    drawn from a reservoir, an equal sample of all pairs seen before (Chaudhry et al. 2019; weight
    and number as in Pham et al. 2023). While fewer than eight pairs exist as many are drawn.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        steps: Upper bound on the rows to be observed.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.
        capacity: Pairs that the reservoir holds.
        replay_weight: w, the weight of the older pairs' loss; 0 is `ogd`.
        replace: Whether a step may draw a pair more than once.
        generator: Decides what the reservoir keeps and what is drawn.
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
        replay_weight: Annotated[float, Ge(0)] = 0.2,
        replace: bool = True,
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
            replace=replace,
            generator=generator,
        )
        self.scalar("replay_weight", replay_weight)

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the recent pair and eight drawn ones."""
        replay = self.replay(state, recent)

        def loss(weights: Tensor) -> Tensor:
            errors = squared_errors(self.forecast(weights, replay.windows), replay.targets)
            return errors[0] + self.replay_weight * (replay.share @ errors[1:])

        learned = self.learned(state, grad(loss)(state["weights"]))
        return learned | self.remembered(state, replay)
