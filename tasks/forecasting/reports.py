"""What forecasters report of themselves, sampled now and then over the test pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memories.base import OnlineForecaster, State
from tasks.base import Lanes

EVERY = 100
"""Scored origins between two samples."""


@dataclass
class Reports:
    """Samples of `OnlineForecaster.report`, one row per lane.

    Attributes:
        at: Numbers of scored origins after which a sample is taken: 100, 200, .., and the last.
        values: By the report's name [S, K], float32; NaN where none was taken yet.
    """

    at: tuple[int, ...]
    values: dict[str, Tensor]

    @classmethod
    def empty(cls, lanes: Lanes, state: State, origins: int) -> Reports:
        """No samples yet of a pass over so many scored origins.

        Args:
            lanes: The forecasters.
            state: Any state of theirs: it tells which names they report.
            origins: Origins that will be scored.
        """
        at = tuple(sorted({*range(EVERY, origins + 1, EVERY), origins}))
        names = _reported(lanes, state)
        return cls(at, {name: torch.full((lanes.size, len(at)), torch.nan) for name in names})

    def offer(self, lanes: Lanes, state: State, scored: int) -> None:
        """Take a sample of the state after so many scored origins, if one is due."""
        if not self.values or (scored % EVERY and scored != self.at[-1]):
            return
        sample = self.at.index(scored)
        for name, value in _reported(lanes, state).items():
            self.values[name][:, sample] = value.float().cpu()

    def series(self, lane: int) -> dict[str, np.ndarray[Any, Any]]:
        """The samples of a lane by ``report_NAME``, and ``report_at``; empty if it reports none."""
        if not self.values:
            return {}
        # a check-point gives its tensors back in another order, and a file's bytes depend on it
        ordered = sorted(self.values.items())
        found = {f"report_{name}": v[lane].numpy().copy() for name, v in ordered}
        return found | {"report_at": np.asarray(self.at, dtype=np.float32)}

    def summary(self, lane: int) -> dict[str, dict[str, float | None]]:
        """By name the mean over finite samples and the last sample; None where not finite."""
        return {name: _summary(values[lane]) for name, values in sorted(self.values.items())}

    def tensors(self) -> dict[str, Tensor]:
        """Everything sampled, to be kept in a check-point."""
        return dict(self.values)

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go back to the samples that `tensors` described."""
        self.values = {name: tensor.cpu().clone() for name, tensor in kept.items()}


def _reported(lanes: Lanes, state: State) -> dict[str, Tensor]:
    """The report of every lane, [S] by name; empty where the class reports nothing.

    Raises:
        ValueError: If a report is no scalar.
    """
    if type(lanes.memory).report is OnlineForecaster.report:
        return {}
    found: dict[str, Tensor] = dict(lanes.call("report", state))
    for name, value in found.items():
        if value.shape != (lanes.size,):
            shape: Sequence[int] = value.shape[1:]
            raise ValueError(f"report '{name}' has shape {list(shape)}, expected a scalar")
    return found


def _summary(samples: Tensor) -> dict[str, float | None]:
    finite = samples[samples.isfinite()].double()
    last = float(samples[-1])
    return {
        "mean": float(finite.mean()) if len(finite) else None,
        "last": last if np.isfinite(last) else None,
    }
