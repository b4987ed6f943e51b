"""Small streams for the online tests: a drifting one, a random walk, and a csv writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

DRIFT: dict[str, Any] = {
    "dataset": "synth-drift",
    "lookback": 12,
    "horizon": 3,
    "options": {"schedule": "abrupt", "rows": 240, "channels": 2, "regimes": 2},
}
"""Training rows [0, 48), validation [48, 60), test [60, 240)."""
UPDATES, ORIGINS = 12, 240 - 60 - 3 + 1
TOTAL = UPDATES + ORIGINS
SHORT: dict[str, Any] = DRIFT | {"options": DRIFT["options"] | {"rows": 120}}
"""Training rows [0, 24), validation [24, 30), test [30, 120)."""

RATES = {"learning_rate": [1e-4, 1e-3, 1e-2]}


def walk(seed: int, rows: int = 240) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, 2)).cumsum(0)


def write_csv(path: Path, columns: np.ndarray, period_hours: int = 1) -> str:
    """An hourly csv of columns [T, C]; its path."""
    hours = np.datetime64("2016-01-01T00") + period_hours * np.arange(len(columns))
    names = ",".join(f"x{c}" for c in range(columns.shape[1]))
    rows = "".join(
        f"{hour},{','.join(repr(float(v)) for v in row)}\n"
        for hour, row in zip(hours, columns, strict=True)
    )
    path.write_text(f"date,{names}\n{rows}")
    return str(path)
