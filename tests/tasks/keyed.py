"""Cells whose key tells their task point, for memories that fit: fits are cached by that key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.plan import Cell
from bench.running.cache import digest
from tests.tasks import cells


def cell(
    memory: str,
    task: str,
    task_params: Mapping[str, Any] | None = None,
    memory_params: Mapping[str, Any] | None = None,
    tune: Mapping[str, Sequence[Any]] | None = None,
) -> Cell:
    """As `tests.tasks.cells.cell`, with a protocol hash of its own for every task point."""
    made = cells.cell(memory, task, task_params, memory_params, tune)
    return replace(made, protocol_hash=digest([task, dict(made.task_params)]))
