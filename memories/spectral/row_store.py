"""Where a spectral memory keeps what it was given: the newest rows, or what follows from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from memories.base import State
from memories.slots.ring import ring_valid, ring_write
from memories.spectral.data_kernel import Conventions, spectrum_of_rows
from memories.spectral.spectrum import Spectrum


class RowStore(nn.Module, ABC):
    """Part of a spectral memory's state and how its spectrum is read.

    Entries are named in the memory's flat state, beside its ``count`` of rows ever written.
    """

    slots: tuple[str, ...] = ()
    """Entries whose first axis is slots of a ring."""

    @abstractmethod
    def start(self, like: Tensor) -> dict[str, Tensor]:
        """Its entries before any row, with the dtype and on the device of `like`."""

    @abstractmethod
    def appended(self, state: State, rows: Tensor, times: Tensor | None) -> dict[str, Tensor]:
        """Its entries after rows [N, d], N >= 1, were written in order at times [N]."""

    @abstractmethod
    def spectrum(self, state: State, previous: Tensor | None) -> Spectrum:
        """The spectrum of what is kept; float64."""

    def recomputed(self, state: State) -> dict[str, Tensor]:  # noqa: ARG002
        """Its entries that are kept up to date by differences, computed anew from the rows."""
        return {}


class Overwritten(NamedTuple):
    """Rows that a write replaces in a ring.

    Attributes:
        rows: [n, d], what stood in the slots to be written; n is the number of new rows kept.
        weights: [n], one where that was a row, zero where the slot was unused.
        first: How many of the new rows are passed over because the ring is shorter than the call.
    """

    rows: Tensor
    weights: Tensor
    first: int


def overwritten(ring: Tensor, count: Tensor, n_rows: int) -> Overwritten:
    """What `n_rows` new rows replace in a ring [M, d] that holds the last of `count` rows."""
    capacity = ring.shape[0]
    first = max(0, n_rows - capacity)
    slots = (count + torch.arange(first, n_rows, device=ring.device)) % capacity
    return Overwritten(ring[slots], (slots < count).double(), first)


class Window(RowStore):
    """The newest rows alone; their spectrum comes from a T x T matrix.

    Exact, without running sums, and the cheapest where the window is shorter than a row is wide.

    Args:
        width: d.
        capacity: Rows kept.
        components: K.
        conventions: How the spectrum is presented.
    """

    slots = ("rows",)

    def __init__(
        self, width: int, capacity: int, components: int, conventions: Conventions
    ) -> None:
        super().__init__()
        self.width, self.capacity, self.components = width, capacity, components
        self.conventions = conventions

    def start(self, like: Tensor) -> dict[str, Tensor]:
        """``rows`` [M, d]."""
        return {"rows": like.new_zeros(self.capacity, self.width)}

    def appended(self, state: State, rows: Tensor, times: Tensor | None) -> dict[str, Tensor]:  # noqa: ARG002
        """The ring with the new rows in it."""
        return ring_write({"rows": state["rows"]}, {"rows": rows}, state["count"])

    def spectrum(self, state: State, previous: Tensor | None) -> Spectrum:
        """The spectrum of the rows in the ring, whose order does not matter."""
        valid = ring_valid(state["count"], self.capacity)
        rows = state["rows"].double()
        return spectrum_of_rows(
            rows, self.components, self.conventions, valid=valid, previous=previous
        )
