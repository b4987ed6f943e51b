"""What forecasters share that learn from the newest pair and from a sample of older ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from memories.base import InvalidParameter, State
from memories.forecasters.online.adapted import AdaptedForecaster
from memories.forecasters.online.reservoir import Reservoir
from memories.forecasters.online.stream_history import StreamHistory

REPLAYED = 8
"""Older pairs in the loss of one step."""


@dataclass(frozen=True)
class Replay:
    """One step's material: the newest complete pair and those drawn from the reservoir.

    Attributes:
        rows: The stream's rows, the newest included [steps+L+H-1, C].
        here: Bool [M], true at the slot that the newest pair will take, if any.
        drawn: Slots of the drawn pairs [K].
        share: Weights of the drawn pairs in their mean [K]; zero for those not to be used.
        windows: [1+K, L, C], the newest pair first.
        targets: [1+K, H, C].
    """

    rows: Tensor
    here: Tensor
    drawn: Tensor
    share: Tensor
    windows: Tensor
    targets: Tensor


class ReplayForecaster(AdaptedForecaster):
    """Adapts all weights with the help of a reservoir of past pairs.

    The reservoir holds numbers of pairs; their rows are cut from one history of the whole
    stream. Pairs are drawn before the newest is stored.

    State entries, beside those of `AdaptedForecaster`: ``rows`` [steps+L+H-1, C], the stream,
    newest row last; ``items`` [M], int64, the number of the pair in each slot. ``step`` counts
    the pairs seen.

    Args:
        channels: C.
        lookback: L.
        horizon: H.
        steps: Upper bound on the rows to be observed.
        backbone: Pre-trained module, [B, L, C] to [B, H, C].
        learning_rate: Adam's step size.
        capacity: Slots of the reservoir, M.
        draws: Pairs drawn at each step, K.
        replace: Whether they are drawn with replacement.
        generator: Decides what is kept and what is drawn.

    Raises:
        InvalidParameter: If the reservoir cannot hold as many pairs as are drawn.
    """

    def __init__(
        self,
        channels: int,
        lookback: int,
        horizon: int,
        steps: int,
        backbone: nn.Module,
        *,
        learning_rate: float,
        capacity: int,
        draws: int = REPLAYED,
        replace: bool = True,
        generator: torch.Generator,
    ) -> None:
        super().__init__(backbone, learning_rate=learning_rate)
        if capacity < draws:
            raise InvalidParameter(
                "capacity",
                f"must be at least the {draws} pairs drawn at each step, got {capacity}",
                f"set capacity to {draws} or more",
            )
        self.channels = channels
        self.history = StreamHistory(steps, lookback, horizon)
        self.reservoir = Reservoir(capacity, draws, steps, replace=replace, generator=generator)

    def init_state(self) -> State:
        """The pre-trained weights, fresh moments, no rows and an empty reservoir."""
        learner = super().init_state()
        return {
            **learner,
            "rows": self.history.empty(self.channels, learner["weights"].device),
            "items": self.reservoir.empty(),
        }

    def replay(self, state: State, recent: tuple[Tensor, Tensor]) -> Replay:
        """The material of the step after the state, given the newest complete pair."""
        step = state["step"]
        rows = self.history.extended(state["rows"], recent)
        here, drawn, share = self.reservoir.at(step)
        numbers = torch.cat([step[None], state["items"].index_select(0, drawn)])
        windows, targets = self.history.cut(rows, step - numbers)
        return Replay(rows, here, drawn, share, windows, targets)

    def remembered(self, state: State, replay: Replay) -> dict[str, Tensor]:
        """The state's entries for rows and reservoir with the newest pair in them."""
        items = torch.where(replay.here, state["step"], state["items"])
        return {"rows": replay.rows, "items": items}
