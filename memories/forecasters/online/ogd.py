"""Online gradient descent on the newest pair whose target is fully known."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn
from torch.func import grad

from bench.registry import memory
from memories.base import State
from memories.forecasters.online.adapted import AdaptedForecaster, Scope, squared_errors


@memory("ogd", family="online-learning", source="Zinkevich 2003; Zhao & Shen 2025 (delayed form)")
class OGD(AdaptedForecaster):
    """One Adam step per revealed row on the loss of the newest complete pair.

    The pair has origin t-H: nothing that is still unknown at t enters. The backbone stays in
    evaluation mode, so that a learning rate of 0 is exactly `frozen`. Adapted weights and both
    moments are state; the pre-trained weights remain slow weights.

    Args:
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        scope: Which weights learn: ``all``, those of the last linear map (``head``), or those of
            normalisation layers (``norm``).
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.

    Raises:
        Unsuitable: If the backbone has no weights of that scope, or if its head is all of it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        scope: Scope = "all",
        learning_rate: Annotated[float, Ge(0)] = 1e-5,
    ) -> None:
        super().__init__(backbone, scope=scope, learning_rate=learning_rate)

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state after one Adam step on the mean squared error of the recent pair."""
        window, target = recent

        def loss(weights: Tensor) -> Tensor:
            return squared_errors(self.forecast(weights, window[None])[0], target)

        return self.learned(state, grad(loss)(state["weights"]))
