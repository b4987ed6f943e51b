"""Sizes and switches of HPM, checked before anything is built from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from memories.base import InvalidParameter
from memories.hpm.behaviour import Behaviour

Bank: TypeAlias = Literal[
    "compositional", "pattern", "relational", "concept", "procedural", "instance"
]
BANKS: tuple[Bank, ...] = get_args(Bank)
"""All banks; those in use keep this order, which is that of the router's columns."""
STATIC = BANKS[:4]
"""Banks of trained primitives. Their names bias nothing: they specialise through training alone."""
DYNAMIC = BANKS[4:]
"""Banks of stored events: codes with the procedure that answered them, codes with themselves."""


def in_order(banks: Sequence[Bank]) -> tuple[Bank, ...]:
    """The banks in the order of `BANKS`.

    Raises:
        InvalidParameter: If there is none, or one twice.
    """
    if not banks or len(set(banks)) < len(banks):
        found = "none" if not banks else ", ".join(banks)
        raise InvalidParameter(
            "banks",
            f"must name at least one bank, each once, got {found}",
            help=f"choose from {', '.join(BANKS)}",
        )
    return tuple(bank for bank in BANKS if bank in banks)


def level_sizes(primitives: int, levels: int) -> tuple[int, ...]:
    """Primitives of each level: equal shares, the rest in the last; (32, 3) gives (10, 10, 12).

    Raises:
        InvalidParameter: If there are fewer primitives than levels.
    """
    share, rest = divmod(primitives, levels)
    if share < 1:
        raise InvalidParameter(
            "primitives_per_bank",
            f"must be >= levels_per_bank ({levels}), got {primitives}",
            help="give every level a primitive",
        )
    return (*[share] * (levels - 1), share + rest)


@dataclass(frozen=True)
class Settings:
    """What HPM is built with; the defaults are those of its published code.

    Attributes:
        banks: Banks in use, in the order of `BANKS`.
        top_k: Banks that a query is sent to; all of them if there are fewer.
        primitives: Primitives of a static bank, over all its levels.
        levels: Levels of a static bank.
        guided: Whether attention to a primitive is multiplied by that to its parent, the primitive
            at the same relative place of the level before.
        cross_attention: Whether the query attends to the banks' answers, beside their mean.
        capacity: Events C of a dynamic bank.
        retrieval_k: Events retrieved for a query.
        temperature: Of the retrieved events' weights with `dyn_scale` ``cos-tau``.
        deduplicate: Whether an event whose id is stored already is dropped.
        usage_threshold: Usage of a level, in training forwards, from which it may be frozen.
        top_fraction: Share of its primitives that is frozen then, at least one.
        max_frozen_fraction: Largest share of a level that is ever frozen, with
            `freeze_monotone`.
        gate_open: Whether the gate is learned; closed, it stays at zero.
        enabled: Whether HPM answers at all; if not, it is the identity, without parameters.
        collect: Whether events are written to the dynamic banks.
        behaviour: What the two forms differ in.
    """

    banks: tuple[Bank, ...] = STATIC[:3]
    top_k: int = 2
    primitives: int = 16
    levels: int = 2
    guided: bool = False
    cross_attention: bool = True
    capacity: int = 10_000
    retrieval_k: int = 5
    temperature: float = 0.05
    deduplicate: bool = True
    usage_threshold: float = 100.0
    top_fraction: float = 0.3
    max_frozen_fraction: float = 0.5
    gate_open: bool = True
    enabled: bool = True
    collect: bool = True
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        object.__setattr__(self, "banks", in_order(self.banks))

    @property
    def static(self) -> tuple[Bank, ...]:
        """Static banks in use."""
        return tuple(bank for bank in self.banks if bank in STATIC)

    @property
    def dynamic(self) -> tuple[Bank, ...]:
        """Dynamic banks in use."""
        return tuple(bank for bank in self.banks if bank in DYNAMIC)

    @property
    def routed(self) -> int:
        """Banks k that a query is sent to."""
        return min(self.top_k, len(self.banks))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Primitives of each level."""
        return level_sizes(self.primitives, self.levels)
