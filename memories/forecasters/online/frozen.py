"""The reference of online forecasting: the pre-trained backbone, never touched again."""

from __future__ import annotations

from torch import Tensor, nn

from bench.registry import memory
from memories.base import OnlineForecaster, State


@memory("frozen", family="online-learning", source="baseline of every online forecasting paper")
class Frozen(OnlineForecaster):
    """Forecasts with the pre-trained backbone as it is; what adaptation has to beat.

    Args:
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone.eval()

    def init_state(self) -> State:
        """Empty: nothing changes."""
        return {}

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:  # noqa: ARG002
        """The state as it was."""
        return state

    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        """The backbone's forecast [H, C]."""
        return self.backbone(window[None])[0], state
