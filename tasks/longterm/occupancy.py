"""How many rows a memory held at the borders of each phase: what resets and writes left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from memories.base import State
from memories.token_training.lanes import TokenLanes

Phase = Literal["training", "validation", "test"]
OCCUPANCY = "occupancy/"
"""Prefix of these among the tensors of a check-point."""
PHASES: tuple[Phase, ...] = ("training", "validation", "test")


@dataclass
class Occupancy:
    """Rows held when a phase begins and when it ends, NaN where it was not or none are reported.

    Attributes:
        rows: [epochs + 1, phases, 2, S]; the test is in the last line.
    """

    rows: Tensor

    @classmethod
    def empty(cls, epochs: int, lanes: int) -> Occupancy:
        """Nothing noted yet."""
        return cls(torch.full((epochs + 1, len(PHASES), 2, lanes), torch.nan, dtype=torch.float64))

    def note(self, lanes: TokenLanes, epoch: int, phase: Phase, end: int, state: State) -> None:
        """Note what the lanes that are here hold: `end` 0 at the beginning of a phase, 1 after."""
        told = lanes.report(state)
        if "rows" in told:
            self.rows[epoch - 1, PHASES.index(phase), end, lanes.numbers] = (
                told["rows"].double().cpu()
            )

    def told(self, lane: int) -> list[dict[str, Any]]:
        """One lane's phases in order: which, and rows at its first and after its last window."""
        found = []
        for line, phases in enumerate(self.rows[..., lane].tolist(), start=1):
            for phase, (first, last) in zip(PHASES, phases, strict=True):
                if first == first and last == last:
                    epoch = {} if phase == "test" else {"epoch": line}
                    found.append({"phase": phase, **epoch, "rows": [int(first), int(last)]})
        return found

    def tensors(self) -> dict[str, Tensor]:
        """To be kept in a check-point."""
        return {f"{OCCUPANCY}rows": self.rows}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to where `tensors` was taken."""
        self.rows = kept[f"{OCCUPANCY}rows"].cpu().clone()
