"""A forecasting backbone alone, for its row in a table of token memories."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.backbones.tokens import tried
from memories.base import BackboneSlot, State, TokenMemory

DLINEAR = BackboneSlot("dlinear")


@memory("plain-backbone", family="floors", source="none")
class PlainBackbone(TokenMemory):
    """No memory and another backbone in the encoder's place, trained and tested by the same task.

    State: ``count`` of passes.

    Args:
        token_dim: Width of the tokens it does not give.
        channels: C.
        lookback: L.
        horizon: H.
        backbone: What forecasts, by name or as ``{name: ..., params: {...}}``.

    Raises:
        InvalidParameter: If the backbone cannot be built at these sizes.
    """

    memory_eval = "empty"
    train_memory = "trajectory"
    zero: Tensor

    def __init__(
        self,
        token_dim: int,
        channels: int,
        lookback: int,
        horizon: int,
        *,
        backbone: BackboneSlot = DLINEAR,
    ) -> None:
        super().__init__()
        tried("backbone", backbone, channels=channels, lookback=lookback, horizon=horizon)
        self.replaces = backbone
        self.token_dim = token_dim
        self.scalar("zero", 0.0)

    @override
    def init_state(self) -> State:
        return {"count": self.zero.long()}

    @override
    def tokens(self, state: State) -> Tensor:
        return self.zero.new_zeros(0, self.token_dim)

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        return {"count": state["count"] + 1}
