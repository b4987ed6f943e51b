"""Which slot an event goes to, and which slots are freed before their turn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.base import InvalidParameter, State

UNUSED = -1
"""Event number of a slot that holds none."""
IMPORTANCE_FLOOR = 1e-8


class Eviction(nn.Module):
    """Chooses the slot of an event by importance, use and recency of those in use.

    Args:
        weights: Of importance, frequency and recency in the score of a slot; with recency alone
            the slots are a ring.
        offset: Added to the largest hit count and age before they divide the others.
        forget_decay: Factor on all importances before each event.
        forget_threshold: Importance below which a slot is freed.
        max_age: Age above which a slot is freed; None for none.

    Raises:
        InvalidParameter: If the weights are not three, none negative and one positive, or if a
            decay changes importances that nothing depends on.
    """

    def __init__(
        self,
        weights: tuple[float, float, float],
        offset: float,
        *,
        forget_decay: float = 1.0,
        forget_threshold: float = 0.0,
        max_age: int | None = None,
    ) -> None:
        super().__init__()
        if len(weights) != 3 or min(weights) < 0 or max(weights) == 0:
            raise InvalidParameter(
                "evict_weights",
                f"must be three numbers, none negative and one positive, got {list(weights)}",
                help="use [0, 0, 1] to overwrite the oldest event",
            )
        self.weights, self.offset = weights, offset
        self.forget_decay, self.forget_threshold = forget_decay, forget_threshold
        self.max_age = max_age
        self.ranks = weights[0] > 0 or weights[1] > 0
        self.forgets = forget_threshold > 0 or max_age is not None
        self.tracks_use = self.ranks or forget_threshold > 0
        if forget_decay < 1 and not self.tracks_use:
            raise InvalidParameter(
                "forget_decay",
                "changes importances, which nothing here depends on",
                help="give evict_weights an importance, or set forget_threshold",
            )

    def slot(self, state: State, age: Tensor, among: Tensor | None) -> Tensor:
        """The first free slot, else the one of the lowest score, as int64 [1].

        Args:
            state: State before the event.
            age: [M], the newest event's 1; anything where a slot is free.
            among: Slots to choose from, bool [M]; None for all.
        """
        if not self.ranks:
            return lowest(state["index"], among)
        used = state["index"] >= 0
        held = used if among is None else used & among
        score = scores(held, state["importance"], state["hits"], age, self.weights, self.offset)
        return lowest(torch.where(used, score, UNUSED), among)

    def decayed(self, state: State, on: Tensor) -> State:
        """The state with importances as they are before an event, if one is written."""
        if self.forget_decay == 1:
            return state
        factor = torch.where(on, self.forget_decay, 1.0)
        return {**state, "importance": state["importance"] * factor}

    def forgotten(self, state: State, age: Tensor, on: Tensor) -> State:
        """The state after an event, without what is too old [M] or too unimportant by then."""
        if not self.forgets:
            return state
        gone = torch.zeros_like(state["index"], dtype=torch.bool)
        if self.forget_threshold > 0:
            gone = gone | (state["importance"] < self.forget_threshold)
        if self.max_age is not None:
            gone = gone | (age > self.max_age)
        return {**state, "index": torch.where(gone & on, UNUSED, state["index"])}


def scores(
    held: Tensor,
    importance: Tensor,
    hits: Tensor,
    age: Tensor,
    weights: tuple[float, float, float],
    offset: float,
) -> Tensor:
    """Scores [M] of the held slots, none below zero; without meaning elsewhere.

    w_i I + w_f F + w_r R with I = imp / (max imp + 1e-8), F = hits / (max hits + offset) and
    R = 1 - age / (max age + offset), each maximum over the held slots.

    Args:
        held: Slots that compete, bool [M].
        importance: [M]; anything where not held, as the next two.
        hits: Accesses [M].
        age: [M], at least zero where held.
        weights: Of importance, frequency and recency.
        offset: Added to the largest hit count and age.
    """

    def share(entry: Tensor, floor: float) -> Tensor:
        masked = torch.where(held, entry, 0.0)
        return masked / (masked.amax(-1, keepdim=True) + floor)

    w_importance, w_frequency, w_recency = weights
    return (
        w_importance * share(importance, IMPORTANCE_FLOOR)
        + w_frequency * share(hits, offset)
        + w_recency * (1 - share(age.to(importance.dtype), offset))
    )


def lowest(priority: Tensor, among: Tensor | None) -> Tensor:
    """The slot of the lowest priority [M] as int64 [1]; of equal ones the first.

    Args:
        priority: [M].
        among: Slots to choose from, bool [M]; None for all.
    """
    if among is not None:
        highest = torch.inf if priority.is_floating_point() else torch.iinfo(priority.dtype).max
        priority = torch.where(among, priority, highest)
    return priority.argmin(-1, keepdim=True)
