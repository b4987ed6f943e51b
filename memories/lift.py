"""The ways from one protocol to another: what lets every memory meet every task that makes sense.

A lift names the registered memory that gives another one the protocol a task needs, and the
parameter that takes it. A pair of protocols without a lift has no meaning and is refused when a
suite is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lift:
    """One way from a protocol to another.

    Attributes:
        source: Protocol of the memory that is lifted.
        target: Protocol that the task needs.
        through: Registered memory that follows the target protocol.
        slot: Its parameter that takes the lifted memory.
    """

    source: str
    target: str
    through: str
    slot: str


LIFTS = (
    Lift("associative", "forecaster", through="errorbank", slot="memory"),
    Lift("associative", "router", through="label-bank", slot="memory"),
)


def find(source: str, target: str) -> Lift | None:
    """The lift from one protocol to another, or None where the pair has no meaning."""
    return next((lift for lift in LIFTS if (lift.source, lift.target) == (source, target)), None)
