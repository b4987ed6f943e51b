"""Where a series is cut into training, validation and test rows, and which origins each part has.

A window may reach back over a border; only the target must lie inside its part. So with lookback
L and horizon H the origin t (last observed row) of a target [t+1, t+H] obeys

    training      L-1 <= t <= a-1-H        validation (selection)   a-1 <= t <= b-1-H
    updates       a-1 <= t <= b-2          test                     b-1 <= t <= e-1-H

The online split is that of FSNet (Pham et al. 2023) and its successors; the offline one that of
long-horizon forecasting (Zhou et al. 2021, Wu et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

from tasks.data.errors import DataProblem

SplitRule = Literal["ett-hourly", "ett-15-min", "long", "short", "synthetic"]
"""How borders follow from the rows: ETT's months, benchmark files, short series, streams."""
Protocol = Literal["online", "offline"]

_Borders = Callable[[int], tuple[int, int, int]]

_DAY, _MONTH = 24, 30 * 24

_ONLINE: dict[SplitRule, _Borders] = {
    "ett-hourly": lambda _: (4 * _MONTH, 5 * _MONTH, 20 * _MONTH),
    "ett-15-min": lambda _: (16 * _MONTH, 20 * _MONTH, 80 * _MONTH),
    "long": lambda rows: (rows // 5, rows - 3 * rows // 4, rows),
    "short": lambda rows: (2 * rows // 5, rows // 2, rows),
    "synthetic": lambda rows: (rows // 5, rows // 4, rows),
}


def _seven_tenths(rows: int) -> tuple[int, int, int]:
    return 7 * rows // 10, rows - 2 * rows // 10, rows


_OFFLINE: dict[SplitRule, _Borders] = {
    "ett-hourly": lambda _: (12 * _MONTH, 16 * _MONTH, 20 * _MONTH),
    "ett-15-min": lambda _: (48 * _MONTH, 64 * _MONTH, 80 * _MONTH),
    "long": _seven_tenths,
    "short": _seven_tenths,
    "synthetic": _seven_tenths,
}

_RULES: dict[Protocol, dict[SplitRule, _Borders]] = {"online": _ONLINE, "offline": _OFFLINE}


@dataclass(frozen=True)
class Split:
    """Three parts of a series: training [0, a), validation [a, b), test [b, e).

    Attributes:
        a: First validation row.
        b: First test row.
        e: One past the last test row; later rows are unused.
    """

    a: int
    b: int
    e: int

    def train_origins(self, lookback: int, horizon: int) -> range:
        """Origins with a whole window and a target before row a; a-L-H+1 of them."""
        return range(lookback - 1, self.a - horizon)

    def update_origins(self) -> range:
        """Origins of the validation pass at which a forecaster may learn; b-a of them."""
        return range(self.a - 1, self.b - 1)

    def selection_origins(self, horizon: int) -> range:
        """Origins whose targets lie in the validation rows: they alone may choose a setting."""
        return range(self.a - 1, self.b - horizon)

    def test_origins(self, horizon: int) -> range:
        """Origins whose targets lie in the test rows; e-b-H+1 of them."""
        return range(self.b - 1, self.e - horizon)

    def fits(self, lookback: int, horizon: int) -> bool:
        """Whether each part has an origin, and the first online origin a whole past pair.

        The newest fully known pair at origin a-1 starts at row a-H-L, hence a >= L+H.
        """
        return (
            self.a >= lookback + horizon
            and len(self.selection_origins(horizon)) > 0
            and len(self.test_origins(horizon)) > 0
        )


def split_rows(rows: int, rule: SplitRule, protocol: Protocol, place: str = "") -> Split:
    """The split of a series of `rows` rows.

    Args:
        rows: Length of the series.
        rule: The dataset's rule.
        protocol: ``online`` or ``offline``.
        place: Dataset or file, for the error.

    Raises:
        DataProblem: If there are fewer rows than the rule's fixed borders need.
    """
    split = Split(*_RULES[protocol][rule](rows))
    if rows < split.e:
        raise DataProblem(
            f"{rows} rows, but the {protocol} split ends at row {split.e}",
            place,
            "use the whole file, or give it as a csv of its own by path",
        )
    return split


def require_origins(
    split: Split, lookback: int, horizon: int, *, rule: SplitRule, protocol: Protocol, place: str
) -> None:
    """Nothing, if every part of the split has an origin for this lookback and horizon.

    Raises:
        DataProblem: If not; says what is short, and how many rows or which sizes would do.
    """
    if lookback < 1 or horizon < 1:
        raise DataProblem(f"lookback and horizon must be >= 1, got {lookback} and {horizon}", place)
    if split.fits(lookback, horizon):
        return
    a, validation, test = split.a, split.b - split.a, split.e - split.b
    short = [
        (a < lookback + horizon, f"training has {a} rows, lookback + horizon is "
                                 f"{lookback + horizon}"),
        (validation < horizon, f"validation has {validation} rows, the horizon is {horizon}"),
        (test < horizon, f"test has {test} rows, the horizon is {horizon}"),
    ]  # fmt: skip
    needed = fewest_rows(lookback, horizon, rule, protocol)
    remedy = f"choose lookback + horizon <= {a} and horizon <= {min(validation, test)}"
    more = f", or give at least {needed} rows" if needed else ""
    raise DataProblem(
        f"too few rows for lookback {lookback} and horizon {horizon} on the {protocol} split: "
        + "; ".join(text for is_short, text in short if is_short),
        place,
        remedy + more,
    )


def fewest_rows(lookback: int, horizon: int, rule: SplitRule, protocol: Protocol) -> int | None:
    """The least number of rows that gives every part an origin; None if the borders are fixed."""
    borders = _RULES[protocol][rule]
    if borders(0) == borders(1_000_000):
        return None
    return next(
        rows for rows in count(lookback + horizon) if Split(*borders(rows)).fits(lookback, horizon)
    )
