"""Memory tokens that hold nothing: what an encoder gains from constant tokens alone."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.base import State, TokenMemory


@memory("spectral-zero", family="spectral", source="after Darcet et al. 2024")
class SpectralZero(TokenMemory):
    """M tokens of exact zeros, whatever was absorbed.

    Attention may rest on them, and a layer turns them into constants of its own (registers,
    Darcet et al. 2024): what a memory is worth shows only against these.

    State: ``count`` of passes.

    Args:
        token_dim: Width d of the encoder's tokens.
        tokens: Tokens M.
    """

    memory_eval = "empty"
    train_memory = "trajectory"
    resets = True
    zero: Tensor

    def __init__(self, token_dim: int, *, tokens: Annotated[int, Ge(0)] = 4) -> None:
        super().__init__()
        self.shape = (tokens, token_dim)
        self.scalar("zero", 0.0)

    @override
    def init_state(self) -> State:
        return {"count": self.zero.long()}

    @override
    def tokens(self, state: State) -> Tensor:
        return self.zero.new_zeros(self.shape)

    @override
    def absorb(self, state: State, hidden: Tensor) -> State:
        return {"count": state["count"] + 1}
