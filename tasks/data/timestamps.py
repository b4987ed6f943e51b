"""The dates of a series: reading them, what they say about its season, what is odd about them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.errors import DataProblem

Times = NDArray[np.datetime64]

_DAY_S = 86_400
_LONGER: tuple[tuple[float, float, int], ...] = (
    (1, 1, 7),
    (7, 7, 52),
    (28, 31, 12),
    (89, 92, 4),
)
"""(least days, most days, period) of steps of a day, a week, a month and a quarter."""


def read_times(cells: pd.Series, place: str) -> Times:
    """Dates [T] to the second; all cells are read in the format of the first.

    A date with an offset is turned into UTC, one without is kept.

    Args:
        cells: Column ``date`` as text, row i on line i + 2 of the file.
        place: The file, for errors.

    Raises:
        DataProblem: If a cell is not a date of that format; names its line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns when it settles day before month
        times = pd.to_datetime(cells.astype(str), errors="coerce", utc=True)
    bad = np.flatnonzero(times.isna())
    if len(bad):
        row = int(bad[0])
        cell = "an empty cell" if pd.isna(cells.iloc[row]) else f"'{cells.iloc[row]}'"
        raise DataProblem(
            f"column 'date': cannot read {cell} as a date in the format of the first row "
            f"('{cells.iloc[0]}')",
            f"{place}:{row + 2}",
            "write dates like 2016-07-01 00:00:00, or leave the column out",
        )
    return np.asarray(times.dt.tz_localize(None).to_numpy(), dtype="datetime64[s]")


def infer_period(times: Times) -> int:
    """Rows in one season, by the median step between dates.

    A day for steps of 10 minutes to 12 hours that divide it, a week for days, a year for weeks,
    months and quarters, otherwise 1: no season.
    """
    if len(times) < 2:
        return 1
    step_s = float(np.median(np.diff(times).astype("timedelta64[s]").astype(np.int64)))
    if 600 <= step_s <= _DAY_S / 2 and _DAY_S % step_s == 0:
        return int(_DAY_S // step_s)
    days = step_s / _DAY_S
    return next((period for least, most, period in _LONGER if least <= days <= most), 1)


def odd_steps(times: Times) -> tuple[str, ...]:
    """One line for each oddity: dates that go back, dates that repeat. File order is kept."""
    steps = np.diff(times).astype("timedelta64[s]").astype(np.int64)
    notes = []
    for odd, wording in ((steps < 0, "goes back"), (steps == 0, "repeats")):
        rows = np.flatnonzero(odd)
        if len(rows):
            notes.append(
                f"the date {wording} {len(rows)} times, first on line {rows[0] + 3}; "
                "rows are used in file order"
            )
    return tuple(notes)
