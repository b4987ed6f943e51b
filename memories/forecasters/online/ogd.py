"""Online gradient descent on the newest pair whose target is fully known."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import functional_call, grad

from bench.registry import memory
from memories.adam import adam_step, flatten, unflatten
from memories.base import OnlineForecaster, State


@memory("ogd", family="online-learning", source="Zinkevich 2003; Zhao & Shen 2025 (delayed form)")
class OGD(OnlineForecaster):
    """One Adam step per revealed row on the loss of the newest complete pair, all weights.

    The pair has origin t-H: nothing that is still unknown at t enters. The backbone stays in
    evaluation mode, so that a learning rate of 0 is exactly `frozen`. Adapted weights and both
    moments are state; the pre-trained weights remain slow weights.

    Args:
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.
    """

    learning_rate: Tensor

    def __init__(
        self, backbone: nn.Module, *, learning_rate: Annotated[float, Ge(0)] = 1e-5
    ) -> None:
        super().__init__()
        self.backbone = backbone.eval()
        self.scalar("learning_rate", learning_rate)

    def init_state(self) -> State:
        """The pre-trained weights [P] and fresh Adam moments [P]."""
        weights = flatten(self.backbone)
        return {
            "weights": weights,
            "first_moment": torch.zeros_like(weights),
            "second_moment": torch.zeros_like(weights),
            "step": torch.zeros((), dtype=torch.int64, device=weights.device),
        }

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the mean squared error of the recent pair."""
        window, target = recent

        def loss(weights: Tensor) -> Tensor:
            return (self._forecast(weights, window) - target).square().mean()

        weights, first, second, step = adam_step(
            state["weights"],
            grad(loss)(state["weights"]),
            state["first_moment"],
            state["second_moment"],
            state["step"],
            self.learning_rate,
        )
        return {"weights": weights, "first_moment": first, "second_moment": second, "step": step}

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The adapted backbone's forecast [H, C]."""
        return self._forecast(state["weights"], window), state

    def _forecast(self, weights: Tensor, window: Tensor) -> Tensor:
        forecast: Tensor = functional_call(
            self.backbone, unflatten(self.backbone, weights), (window[None],)
        )
        return forecast[0]
