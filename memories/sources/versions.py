"""What changed between the five published versions of the episodic slot memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Preset: TypeAlias = Literal["v1", "v2", "v3", "v4", "v5"]
"""The versions by the name a suite uses, oldest first."""


@dataclass(frozen=True)
class Version:
    """One version, in everything that the versions do not share.

    Attributes:
        init_scale: Standard deviation of the random initial slots.
        recency: Weight of the time factor in a slot's score.
        copies: Whether an event is copied into its slot; it is descended on otherwise.
        competes_unused: Whether slots that were never written take part in the softmax.
        rounds: How often the events of one batch are gone through.
        inner_steps: Adam steps on an event at each visit.
        batch: Events in a batch; None takes all events of a call together.
        trains_times: Whether the slots' times are descended on like their contents; the event's
            own time is then set after its steps, and before all steps otherwise.
        takes_times: Whether times given by the user replace the event numbers.
        orthogonality: Weight of the distance of the values' Gram matrix from the identity.
        flipped: Whether the sign of the elapsed time is reversed and the factor cut to [1e-8, 1].
    """

    init_scale: float = 0.1
    recency: float = 0.3
    copies: bool = False
    competes_unused: bool = False
    rounds: int = 2
    inner_steps: int = 3
    batch: int | None = None
    trains_times: bool = False
    takes_times: bool = False
    orthogonality: float = 0.0
    flipped: bool = False


VERSIONS: dict[Preset, Version] = {
    "v1": Version(
        init_scale=1.0, recency=1.0, copies=True, competes_unused=True, rounds=0, inner_steps=0
    ),
    "v2": Version(rounds=1, batch=1, trains_times=True),
    "v3": Version(),
    "v4": Version(takes_times=True, orthogonality=0.01),
    "v5": Version(rounds=0, inner_steps=0, takes_times=True, orthogonality=0.01, flipped=True),
}
