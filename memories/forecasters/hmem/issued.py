"""A ring of what was issued: one record per origin, kept until its target is known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from memories.base import State

NEVER = torch.iinfo(torch.int64).min
"""Origin of a slot that was never filled."""


class IssuedRing(nn.Module):
    """The newest R origins at which a forecast was issued, each with a record of named tensors.

    Origin t lies in slot t mod R, and the slot keeps t itself: an origin at which nothing was
    issued is told from an older one in the same slot. All fields of a record lie in one row, so
    that a record costs one copy, whatever it is made of.

    State: ``origin`` [R] int64, ``record`` [R, W].

    Args:
        slots: R, at least the delay after which a record is asked for.
        fields: Names and shapes of what a record holds.
    """

    def __init__(self, slots: int, fields: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.slots = slots
        self.fields = dict(fields)
        self._sizes = [math.prod(shape) for shape in self.fields.values()]

    def init_state(self, device: torch.device) -> dict[str, Tensor]:
        """No origins, and records of zeros."""
        return {
            "origin": torch.full((self.slots,), NEVER, dtype=torch.int64, device=device),
            "record": torch.zeros(self.slots, sum(self._sizes), device=device),
        }

    def put(self, state: State, origin: Tensor, record: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The ring after a forecast was issued; it takes the place of origin - R.

        Args:
            state: Entries of `init_state`.
            origin: Int64 scalar.
            record: Every field; whole numbers are kept as floats.
        """
        row = torch.cat(
            [record[name].reshape(-1).to(state["record"].dtype) for name in self.fields]
        )
        slot = (origin % self.slots)[None]
        return {
            "origin": state["origin"].index_copy(0, slot, origin[None]),
            "record": state["record"].index_copy(0, slot, row[None]),
        }

    def get(self, state: State, origin: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The record of an origin by field, and whether a forecast was issued there.

        Without one the record is zero or that of an older origin.
        """
        slot = (origin % self.slots)[None]
        parts = torch.split(state["record"].index_select(0, slot)[0], self._sizes)
        record = {
            name: part.view(shape)
            for part, (name, shape) in zip(parts, self.fields.items(), strict=True)
        }
        return record, state["origin"].index_select(0, slot)[0] == origin
