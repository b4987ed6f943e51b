"""The newest rows behind a bank of temporal filters."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.base import State
from memories.slots.ring import ring_age, ring_valid, ring_write
from memories.spectral import time_kernel
from memories.spectral.row_store import RowStore
from memories.spectral.spectrum import Normalise, Spectrum, normalised
from memories.spectral.time_kernel import TimeKernelName, TimeUnits


class TimeFiltered(RowStore):
    """Rows in a ring; components are what the leading eigenvectors of a time kernel make of them.

    ``exp`` on equal steps has a closed form for every number of rows. ``gauss`` and ``matern`` use
    the vectors of the full window, tabulated once: while fewer rows are there, the window counts
    as filled with the rows' mean (zeros after centring) before them, an approximation until it is
    full. Irregular times take a dense solver at every refresh.

    Args:
        width: d.
        capacity: Rows kept, T_max.
        components: K.
        kernel: See `time_kernel.profile`.
        tau: Time constant, in rows, or in the unit of the times where they are irregular.
        units: See `time_kernel.neighbour_distance`.
        irregular: Whether rows come with times of their own.
        centre: Whether the mean of the rows is taken off first.
        scale: Whether components are multiplied by the root of their eigenvalue.
        normalise: See `spectrum.normalised`.
    """

    tau: Tensor
    table_values: Tensor
    table: Tensor

    def __init__(
        self,
        width: int,
        capacity: int,
        components: int,
        kernel: TimeKernelName,
        *,
        tau: float,
        units: TimeUnits,
        irregular: bool,
        centre: bool,
        scale: bool,
        normalise: Normalise,
    ) -> None:
        super().__init__()
        self.width, self.capacity, self.components = width, capacity, components
        self.kernel, self.units, self.irregular = kernel, units, irregular
        self.centre, self.scale, self.normalise = centre, scale, normalise
        self.slots = ("rows", "times") if irregular else ("rows",)
        self.register_buffer("tau", torch.tensor(float(tau)))
        if kernel != "exp" and not irregular:
            values, table = time_kernel.tabulated(kernel, units, tau, capacity, components)
            self.register_buffer("table_values", values.clone(), persistent=False)
            self.register_buffer("table", table.clone(), persistent=False)

    def start(self, like: Tensor) -> dict[str, Tensor]:
        """``rows`` [M, d], and ``times`` [M] where they are irregular."""
        state = {"rows": like.new_zeros(self.capacity, self.width)}
        if self.irregular:
            state["times"] = torch.zeros(self.capacity, dtype=torch.float64, device=like.device)
        return state

    def appended(self, state: State, rows: Tensor, times: Tensor | None) -> dict[str, Tensor]:
        """The ring with the new rows in it.

        Raises:
            ValueError: If times are irregular and none are given.
        """
        events = {"rows": rows}
        if self.irregular:
            if times is None:
                raise ValueError("irregular times must be given with every row")
            events["times"] = times.double()
        return ring_write({name: state[name] for name in events}, events, state["count"])

    def spectrum(self, state: State, previous: Tensor | None) -> Spectrum:  # noqa: ARG002
        """Eigenvalues and components; the basis lives on the rows, so there is none here."""
        valid = ring_valid(state["count"], self.capacity)
        length = state["count"].clamp(max=self.capacity).double()
        values, vectors = self._basis(state, valid, length)
        components = time_kernel.filtered(
            values, vectors, state["rows"].double(), valid, centre=self.centre, scale=self.scale
        )
        components = normalised(components, None, length.clamp(min=1), self.normalise)
        return Spectrum(values, None, components)

    def recalled(self, state: State, ages: Tensor) -> Tensor:
        """Rows [Q, d] of these ages as the K filters keep them: sum_k phi_k(t) (phi_k^T H).

        The stored sequence smoothed, exact where K is the number of rows; zeros for ages [Q] at
        which no row is held.
        """
        count, valid = state["count"], ring_valid(state["count"], self.capacity)
        length = count.clamp(max=self.capacity)
        _, vectors = self._basis(state, valid, length.double())
        rows = torch.where(valid[:, None], state["rows"].double(), 0.0)
        slots = (count - 1 - ages) % self.capacity
        smoothed = vectors[:, slots].mT @ (vectors @ rows)
        held = (ages >= 0) & (ages < length)
        return torch.where(held[:, None], smoothed, 0.0).to(state["rows"].dtype)

    def _basis(self, state: State, valid: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues [K] and vectors [K, slots]."""
        tau, count = self.tau.double(), state["count"]
        ages = ring_age(count, self.capacity)
        if self.irregular:
            oldest = torch.where(count < self.capacity, 0, count % self.capacity)[None]
            return time_kernel.irregular_basis(
                self.kernel, state["times"], valid, oldest, tau, self.components
            )
        if self.kernel == "exp":
            return time_kernel.exponential_basis(ages, length, tau, self.units, self.components)
        full = torch.full_like(length, self.capacity)
        values = time_kernel.rescaled(self.table_values.double(), self.units, tau, full)
        vectors = self.table.double()[:, self.capacity - 1 - ages]
        return values, torch.where(valid, vectors, 0.0)
