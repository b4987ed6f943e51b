"""Reading a csv strictly: what cannot be a number is refused by name and line, never guessed.

One header row; column `date` first, or absent; all other columns numbers. File order is row
order and channel order.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.data.causal_fill import forward_fill
from tasks.data.errors import DataProblem
from tasks.data.timestamps import Times, infer_period, odd_steps, read_times

Array = NDArray[np.float64]

SENTINEL = -9000.0
"""Weather stations write -9999 where nothing was measured; values down here are taken for that."""

FIRST_LINE = 2
"""Line of the first data row; line 1 is the header."""

_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _PANDAS < (3, 1) else {}
"""Reads a decimal as the nearest float; from pandas 3.1 on the only, and unnamed, way."""


@dataclass(frozen=True)
class CsvOptions:
    """How a csv is read.

    Attributes:
        fill: ``none`` refuses missing values; ``causal`` repeats the latest earlier one.
        clean_sentinels: Replace values <= -9000 by the latest earlier valid one.
        allow_unverified: Accept a file that differs from the published one.
        period: Rows in one season, instead of the catalogue's or the inferred one.
    """

    fill: Literal["none", "causal"] = "none"
    clean_sentinels: bool = False
    allow_unverified: bool = False
    period: int | None = None

    def __post_init__(self) -> None:
        if self.period is not None and self.period < 1:
            raise DataProblem(f"option 'period' must be >= 1, got {self.period}")


@dataclass(frozen=True, eq=False)
class Table:
    """What a csv holds.

    Attributes:
        values: [T, C], float64, finite.
        columns: C names, in file order.
        times: Dates [T], or None if there is no column ``date``.
        period: Rows in one season as the dates say; 1 without dates.
        notes: What a reader of results should know, one line each.
    """

    values: Array
    columns: tuple[str, ...]
    times: Times | None
    period: int
    notes: tuple[str, ...]


def read_table(path: Path, options: CsvOptions) -> Table:
    """The series in a csv.

    Raises:
        DataProblem: If the file is not a table of finite numbers under one header row, or has
            gaps that the options do not fill.
    """
    header = _header(path)
    frame = _frame(path, header)
    place = str(path)
    times = read_times(frame.pop("date"), place) if header[0] == "date" else None
    columns = tuple(header[1:] if times is not None else header)
    values = _numbers(frame, place)
    _refuse_infinite(values, columns, place)
    notes = odd_steps(times) if times is not None else ()
    values, sentinel_notes = _sentinels(values, columns, place, clean=options.clean_sentinels)
    values, gap_notes = _gaps(values, columns, place, fill=options.fill)
    period = infer_period(times) if times is not None else 1
    return Table(values, columns, times, period, (*notes, *sentinel_notes, *gap_notes))


def _header(path: Path) -> list[str]:
    """The column names, checked."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [name.strip() for name in next(csv.reader(file), [])]
    except UnicodeDecodeError as error:
        raise DataProblem("the file is not UTF-8 text", str(path), "save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise DataProblem(f"the file cannot be read: {error}", str(path)) from error
    place = f"{path}:1"
    if not any(header):
        raise DataProblem("the file is empty or starts with an empty line", place)
    if len(header) == 1 and any(sign in header[0] for sign in ";\t|"):
        raise DataProblem(
            f"the header '{header[0]}' is one column", place, "separate the columns by commas"
        )
    if any(_is_number(name) for name in header):
        raise DataProblem(
            "the first line holds numbers, not column names", place, "add a header row"
        )
    _refuse_bad_names(header, place)
    return header


def _refuse_bad_names(header: list[str], place: str) -> None:
    if "" in header:
        raise DataProblem(
            f"column {header.index('') + 1} has no name",
            place,
            "name it; if it holds row numbers, leave it out (pandas: to_csv(..., index=False))",
        )
    twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if twice is not None:
        raise DataProblem(f"column '{twice}' appears twice", place, "rename or drop one of them")
    if "date" in header[1:]:
        raise DataProblem(
            f"column 'date' is column {header.index('date') + 1}", place, "make it the first one"
        )
    if header == ["date"]:
        raise DataProblem("there is no column of numbers beside 'date'", place)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _frame(path: Path, header: Sequence[str]) -> pd.DataFrame:
    """The cells under the header; line i + 2 of the file is row i."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells that would be dropped
            frame: pd.DataFrame = pd.read_csv(
                path,
                header=None,
                names=list(header),
                skiprows=1,
                index_col=False,
                dtype={"date": str},
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
                **_EXACT,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataProblem(
            f"the rows do not match the {len(header)} columns of the header: {error}",
            str(path),
            "give every row as many cells as the header has",
        ) from error
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    except UnicodeDecodeError as error:
        raise DataProblem("the file is not UTF-8 text", str(path), "save it as UTF-8") from error
    if len(frame) == 0:
        raise DataProblem("there are no rows under the header", str(path))
    return frame


def _numbers(frame: pd.DataFrame, place: str) -> Array:
    """The columns as float64 [T, C]; NaN where a cell is empty."""
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column):
            continue
        numbers = pd.to_numeric(column.astype(str).where(column.notna()), errors="coerce")
        bad = np.flatnonzero(numbers.isna() & column.notna())
        if len(bad):
            row = int(bad[0])
            first = ", or name it 'date' if it holds dates" if name == frame.columns[0] else ""
            raise DataProblem(
                f"column '{name}' holds text: '{column.iloc[row]}'",
                f"{place}:{row + FIRST_LINE}",
                f"give numbers with a decimal point, or drop the column{first}",
            )
        frame[name] = numbers
    return np.ascontiguousarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))


def _first(marked: NDArray[np.bool_], columns: Sequence[str]) -> tuple[str, int, int]:
    """Of marked cells [T, C]: the first column with any, how many it has, the line of its first."""
    column = int(np.argmax(marked.any(axis=0)))
    rows = np.flatnonzero(marked[:, column])
    return columns[column], len(rows), int(rows[0]) + FIRST_LINE


def _refuse_infinite(values: Array, columns: Sequence[str], place: str) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        name, found, line = _first(infinite, columns)
        raise DataProblem(
            f"column '{name}' holds {found} infinite values ({infinite.sum()} in all)",
            f"{place}:{line}",
            "leave the cell empty and use option fill=causal, or mend the value",
        )


def _sentinels(
    values: Array, columns: Sequence[str], place: str, *, clean: bool
) -> tuple[Array, tuple[str, ...]]:
    """The values, cleaned if asked to, and a note that counts what looks like a sentinel."""
    marked = values <= SENTINEL
    if not marked.any():
        return values, ()
    name, found, line = _first(marked, columns)
    seen = (
        f"{marked.sum()} values <= {SENTINEL:.0f} "
        f"(column '{name}' has {found}, the first on line {line})"
    )
    if not clean:
        return values, (f"{seen} are used as they are; clean_sentinels=true replaces them",)
    was_missing = np.isnan(values)
    filled = forward_fill(np.where(marked, np.nan, values), columns, place)
    filled[was_missing] = np.nan
    return filled, (f"{seen} were replaced by the latest earlier value",)


def _gaps(
    values: Array, columns: Sequence[str], place: str, *, fill: str
) -> tuple[Array, tuple[str, ...]]:
    """The values without gaps, and a note if some were filled."""
    missing = np.isnan(values)
    if not missing.any():
        return values, ()
    name, found, line = _first(missing, columns)
    if fill == "none":
        raise DataProblem(
            f"column '{name}' has {found} missing values ({missing.sum()} in all)",
            f"{place}:{line}",
            "option fill=causal repeats the latest earlier value; memb never interpolates, "
            "because that would show a forecaster the future",
        )
    filled = forward_fill(values, columns, place)
    return filled, (f"{missing.sum()} missing values were filled by the latest earlier one",)
