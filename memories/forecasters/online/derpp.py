"""Dark experience replay: older pairs are rehearsed with what the model once said of them."""

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


@memory("der++", family="online-learning", source="Buzzega et al. 2020; Pham et al. 2023")
class DERPP(ReplayForecaster):
    """`er` that also holds the model to the forecasts it made when the older pairs were new.

    loss = l(X_{t-H}, Y_{t-H}) + alpha mean_b |f(X_b) - yhat_b|^2 + beta mean_b |f(X_b) - Y_b|^2,
    squares averaged over leads and channels (Buzzega et al. 2020, equation 6, with one draw of b
    for both terms as in Pham et al. 2023). yhat_b is the forecast with the weights before the
    step at which pair b was stored. ``beta: 0`` is DER.

    State entries, beside those of `ReplayForecaster`: ``outputs`` [M, H, C], the yhat of each
    slot.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        steps: Upper bound on the rows to be observed.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.
        capacity: Pairs that the reservoir holds.
        alpha: Weight of staying with old forecasts.
        beta: Weight of the older pairs' loss.
        replace: Whether a step may draw a pair more than once.
        generator: Decides what the reservoir keeps and what is drawn.
    """

    alpha: Tensor
    beta: Tensor

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
        alpha: Annotated[float, Ge(0)] = 0.2,
        beta: Annotated[float, Ge(0)] = 0.2,
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
        self.output_shape = (capacity, horizon, channels)
        self.scalar("alpha", alpha)
        self.scalar("beta", beta)

    def init_state(self) -> State:
        """The pre-trained weights, fresh moments, no rows and an empty reservoir."""
        empty = super().init_state()
        outputs = torch.zeros(self.output_shape, device=empty["weights"].device)
        return {**empty, "outputs": outputs}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the recent pair, eight drawn ones and their outputs."""
        replay = self.replay(state, recent)
        outputs = state["outputs"].index_select(0, replay.drawn)

        def loss(weights: Tensor) -> tuple[Tensor, Tensor]:
            forecasts = self.forecast(weights, replay.windows)
            errors = squared_errors(forecasts, replay.targets)
            drift = squared_errors(forecasts[1:], outputs)
            older = replay.share @ (self.alpha * drift + self.beta * errors[1:])
            return errors[0] + older, forecasts[0]

        gradient, output = grad(loss, has_aux=True)(state["weights"])
        kept = torch.where(replay.here[:, None, None], output, state["outputs"])
        return self.learned(state, gradient) | self.remembered(state, replay) | {"outputs": kept}
