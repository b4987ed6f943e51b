"""How large a memory may be within a budget of state floats, by measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memories.base import InvalidParameter, Memory, state_floats


def largest(build: Callable[[int], Memory], budget: int, *, at_least: int = 1) -> int:
    """The largest size whose memory has at most `budget` state floats, found by bisection.

    Args:
        build: Makes the memory of a size; its state must not shrink as the size grows.
        budget: State floats, as `memories.base.state_floats` counts them.
        at_least: The smallest size that makes sense.

    Raises:
        InvalidParameter: If even the smallest size exceeds the budget.
    """

    def fits(size: int) -> bool:
        # on the meta device a state has shapes but no storage
        return state_floats(build(size).to("meta").init_state()) <= budget

    if not fits(at_least):
        needed = state_floats(build(at_least).init_state())
        raise InvalidParameter(
            "budget",
            f"must be >= {needed:.0f}, the smallest size, got {budget}",
            help="raise the budget, or leave this memory out",
        )
    low, high = at_least, at_least + 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def only_size(state_words: int, budget: int) -> dict[str, Any]:
    """No parameters to set, for a memory that has one size at the widths of its task.

    Args:
        state_words: That size, in state floats.
        budget: State floats it may have.

    Raises:
        InvalidParameter: If it is larger than the budget.
    """
    if state_words > budget:
        raise InvalidParameter(
            "budget",
            f"must be >= {state_words}, its only size at these widths, got {budget}",
            help="raise the budget, or leave this memory out",
        )
    return {}
