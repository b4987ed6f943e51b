"""A second measurement of a cost, on the machine and with the code at hand; imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import provenance
from bench.check import environment
from bench.check.model import Cell, Repeats
from bench.check.performance import Remeasure
from bench.store import RunFolder


def remeasurement(run: Path) -> Remeasure:
    """Times costs of a run again, all costs of a memory on a task point once and together.

    On another machine than that of the run's latest call it gives None.

    Args:
        run: The run's folder.
    """
    made = RunFolder(run).manifest()["calls"][-1]["provenance"]
    device = str(made["device"])
    measured: dict[str, list[dict[str, Any]]] = {}

    def again(cell: Cell) -> Repeats | None:
        if _machine(made) != _machine(provenance.provenance(device)):
            return None
        if cell.row_id not in measured:
            measured[cell.row_id] = _measure(cell, device)
        return _repeats(measured[cell.row_id], cell)

    return again


def _machine(facts: Mapping[str, Any]) -> str:
    return str(environment.of(facts)["machine_id"])


def _measure(cell: Cell, device: str) -> list[dict[str, Any]]:
    from bench.running import costs

    with _one_thread():
        return costs.measure(cell, device)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute as a worker does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _repeats(metrics: list[dict[str, Any]], cell: Cell) -> Repeats | None:
    for metric in metrics:
        if (metric["name"], metric.get("x")) == (cell.metric, cell.x) and "repeats" in metric:
            return Repeats(tuple(metric["repeats"]), tuple(metric["calibrated"]))
    return None
