"""Frames with several tasks, from tables of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.compare import Comparison, compare
from bench.compare.overall_model import Entrant, Overall
from tests.bench.frames import MSE, FrameBuilder, Metric

Values = Sequence[float | str]


def frame_of(
    tasks: Mapping[str, Mapping[str, Values]],
    *,
    metrics: Mapping[str, Metric] | None = None,
    blocks: Mapping[str, str] | None = None,
    **attrs: Any,
) -> pd.DataFrame:
    """Values by task and label; each task has a block of its own unless told."""
    builder = FrameBuilder()
    for task, memories in tasks.items():
        for label, values in memories.items():
            builder.cell(
                label,
                values,
                task=task,
                metric=(metrics or {}).get(task, MSE),
                block=(blocks or {}).get(task, task),
            )
    return builder.frame(**attrs)


def only(comparison: Comparison) -> Overall:
    """The one field there is."""
    (found,) = comparison.overall
    return found


def ranked(tasks: Mapping[str, Mapping[str, Values]], **given: Any) -> Overall:
    """The one field of a frame of these values; `metrics`, `blocks` and options alike."""
    framing = {name: given.pop(name) for name in ("metrics", "blocks") if name in given}
    return only(compare(frame_of(tasks, **framing), **given))


def by_label(overall: Overall) -> dict[str, Entrant]:
    """Entrants by label."""
    return {entrant.label: entrant for entrant in overall.entrants}
