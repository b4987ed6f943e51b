"""What a router does that cannot leave an event out: it says so."""

from __future__ import annotations

from torch import Tensor

from memories.base import InvalidParameter, Router


def refuse_exclusion(router: Router, exclude_ids: Tensor | None) -> None:
    """Nothing, if no event is to be left out.

    Raises:
        InvalidParameter: If one is.
    """
    if exclude_ids is not None:
        raise InvalidParameter(
            "exclude_ids",
            f"{type(router).__name__} cannot keep a stored event from answering",
            help="ask it about events that it did not learn",
        )
