"""Running sums over the rows, so that a refresh costs the same however many rows there are."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from memories.backbones.layers import linear
from memories.base import State
from memories.slots.ring import ring_valid, ring_write
from memories.spectral.data_kernel import Conventions
from memories.spectral.eigen import leading
from memories.spectral.row_store import RowStore, overwritten
from memories.spectral.running_sums import gram_of, no_sums, sums_of
from memories.spectral.spectrum import Spectrum
from memories.spectral.subspace import iterated

Eigensolver = Literal["feature", "subspace"]


class RunningSums(RowStore):
    """d x d sums over the newest rows, or over all with old ones fading.

    With a window, rows that leave it are subtracted, exactly but for rounding in float64; without
    one, everything is multiplied by `forgetting` before each row.

    Args:
        width: d.
        capacity: Rows in the window; None to keep sums alone.
        components: K.
        conventions: How the spectrum is presented.
        solver: Dense eigenpairs, or `sweeps` of subspace iteration from the previous basis.
        sweeps: See above.
        forgetting: gamma in (0, 1], without a window.
        generator: Draws the start of the subspace iteration.
    """

    forgetting: Tensor
    beginning: Tensor

    def __init__(
        self,
        width: int,
        capacity: int | None,
        components: int,
        conventions: Conventions,
        *,
        solver: Eigensolver,
        sweeps: int,
        forgetting: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.width, self.capacity, self.components = width, capacity, components
        self.conventions, self.solver, self.sweeps = conventions, solver, sweeps
        self.slots = () if capacity is None else ("rows",)
        self.register_buffer("forgetting", torch.tensor(float(forgetting)))
        if solver == "subspace":
            drawn = linear(width, components, generator, bias=False).weight
            self.register_buffer("beginning", torch.linalg.qr(drawn.detach().mT)[0].mT)

    def start(self, like: Tensor) -> dict[str, Tensor]:
        """The sums; ``rows`` [M, d] with a window, ``weight`` of all rows without one."""
        state = no_sums(self.conventions.kernel, self.width, like)
        if self.conventions.kernel == "empirical":
            state["shift"] = torch.zeros_like(state["sum"])
        if self.capacity is None:
            return {**state, "weight": state["outer"].new_zeros(())}
        return {**state, "rows": like.new_zeros(self.capacity, self.width)}

    def appended(self, state: State, rows: Tensor, times: Tensor | None) -> dict[str, Tensor]:  # noqa: ARG002
        """The sums with the new rows, without those that left the window."""
        exact = rows.double()
        shift = self._shift(state, exact[0])
        state = {**state, **shift}
        sums = self._faded(state, exact) if self.capacity is None else self._moved(state, rows)
        return {**shift, **sums}

    def spectrum(self, state: State, previous: Tensor | None) -> Spectrum:
        """The spectrum of the rows behind the sums."""
        length = self._length(state)
        matrix = gram_of(self.conventions.kernel, state, length)
        if self.solver == "feature":
            pairs = leading(matrix, self.components)
        else:
            assert previous is not None  # the memory keeps a basis for every data kernel
            known = (previous != 0).any(-1, keepdim=True)
            start = torch.where(known, previous, self.beginning.to(previous.dtype))
            pairs = iterated(matrix, start, self.sweeps)
        return self.conventions.spectrum(pairs, length, state.get("cross"), previous)

    def recomputed(self, state: State) -> dict[str, Tensor]:
        """The sums over the rows in the window; nothing without a window."""
        if self.capacity is None:
            return {}
        valid = ring_valid(state["count"], self.capacity).double()
        return self._sums(state["rows"].double(), valid, state)

    def _length(self, state: State) -> Tensor:
        if self.capacity is None:
            return state["weight"].clamp(min=torch.finfo(torch.float64).tiny)
        return state["count"].clamp(min=1, max=self.capacity).double()

    def _shift(self, state: State, first: Tensor) -> dict[str, Tensor]:
        """The shift: the first row ever written."""
        if self.conventions.kernel != "empirical":
            return {}
        return {"shift": torch.where(state["count"] == 0, first, state["shift"])}

    def _sums(self, rows: Tensor, weights: Tensor, state: State) -> dict[str, Tensor]:
        shift = state.get("shift", rows.new_zeros(self.width))
        return sums_of(self.conventions.kernel, rows, weights, shift)

    def _faded(self, state: State, rows: Tensor) -> dict[str, Tensor]:
        n_rows = rows.shape[0]
        gamma = self.forgetting.double()
        weights = gamma ** torch.arange(n_rows - 1, -1, -1, device=rows.device)
        fade, new = gamma**n_rows, self._sums(rows, weights, state)
        sums = {name: fade * state[name] + new[name] for name in new}
        return {**sums, "weight": fade * state["weight"] + weights.sum()}

    def _moved(self, state: State, rows: Tensor) -> dict[str, Tensor]:
        old = overwritten(state["rows"], state["count"], rows.shape[0])
        fresh = rows[old.first :].double()
        new = self._sums(fresh, torch.ones_like(fresh[:, 0]), state)
        gone = self._sums(old.rows.double(), old.weights, state)
        ring = ring_write({"rows": state["rows"]}, {"rows": rows}, state["count"])
        return {**ring, **{name: state[name] + new[name] - gone[name] for name in new}}
