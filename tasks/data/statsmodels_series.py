"""Real series that come inside statsmodels: nothing to download, all in the public domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.data.causal_fill import forward_fill
from tasks.data.timestamps import Times

Array = NDArray[np.float64]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LEVELS = ("realgdp", "realcons", "realinv", "realgovt", "realdpi", "cpi", "m1", "pop")
_MACRO = (*_LEVELS[:7], "tbilrate", "unemp", "pop", "infl", "realint")


@dataclass(frozen=True)
class NoOptions:
    """A series that is taken as it is."""


@dataclass(frozen=True)
class MacroOptions:
    """How the macroeconomic series are taken.

    Attributes:
        log_diff: Take differences of logarithms (growth per quarter) of the eight level columns;
            rates stay as they are. Costs the first row.
    """

    log_diff: bool = False


@dataclass(frozen=True, eq=False)
class Shipped:
    """A series from statsmodels.

    Attributes:
        values: [T, C], float64.
        columns: C names.
        times: Dates [T].
        notes: What was done to the data, one line each.
    """

    values: Array
    columns: tuple[str, ...]
    times: Times
    notes: tuple[str, ...] = ()


def _years(first: int, rows: int) -> Times:
    return (
        np.arange(first - 1970, first - 1970 + rows).astype("datetime64[Y]").astype("datetime64[s]")
    )


def _months(first_year: int, rows: int, *, every: int) -> Times:
    first = (first_year - 1970) * 12
    return (first + every * np.arange(rows)).astype("datetime64[M]").astype("datetime64[s]")


def co2(_: NoOptions) -> Shipped:
    """Weekly CO2 at Mauna Loa [2284, 1]; its 59 gaps repeat the week before."""
    from statsmodels.datasets import co2

    data = co2.load_pandas().data
    values = data[["co2"]].to_numpy(dtype=np.float64)
    missing = int(np.isnan(values).sum())
    return Shipped(
        forward_fill(values, ("co2",)),
        ("co2",),
        data.index.to_numpy().astype("datetime64[s]"),
        (f"{missing} missing weeks were filled by the latest earlier value",),
    )


def elnino(_: NoOptions) -> Shipped:
    """Monthly sea surface temperature [732, 1], years one after another."""
    from statsmodels.datasets import elnino

    data = elnino.load_pandas().data
    values = data[list(_MONTHS)].to_numpy(dtype=np.float64).reshape(-1, 1)
    return Shipped(values, ("sst",), _months(int(data["YEAR"].iloc[0]), len(values), every=1))


def sunspots(_: NoOptions) -> Shipped:
    """Yearly sunspot number [309, 1]."""
    from statsmodels.datasets import sunspots

    data = sunspots.load_pandas().data
    values = data[["SUNACTIVITY"]].to_numpy(dtype=np.float64)
    return Shipped(values, ("sunactivity",), _years(int(data["YEAR"].iloc[0]), len(values)))


def nile(_: NoOptions) -> Shipped:
    """Yearly volume of the Nile at Aswan [100, 1]."""
    from statsmodels.datasets import nile

    data = nile.load_pandas().data
    values = data[["volume"]].to_numpy(dtype=np.float64)
    return Shipped(values, ("volume",), _years(int(data["year"].iloc[0]), len(values)))


def macro(options: MacroOptions) -> Shipped:
    """Quarterly US indicators [203, 12], or [202, 12] with `log_diff`."""
    from statsmodels.datasets import macrodata

    data = macrodata.load_pandas().data
    values = data[list(_MACRO)].to_numpy(dtype=np.float64)
    times = _months(int(data["year"].iloc[0]), len(values), every=3)
    if not options.log_diff:
        return Shipped(values, _MACRO, times)
    levels = [_MACRO.index(name) for name in _LEVELS]
    growth = values[1:].copy()
    growth[:, levels] = np.diff(np.log(values[:, levels]), axis=0)
    return Shipped(growth, _MACRO, times[1:], ("level columns are differences of logarithms",))


SERIES: Mapping[str, tuple[type, Callable[..., Shipped]]] = {
    "sm-co2": (NoOptions, co2),
    "sm-elnino": (NoOptions, elnino),
    "sm-sunspots": (NoOptions, sunspots),
    "sm-nile": (NoOptions, nile),
    "sm-macro": (MacroOptions, macro),
}
"""Dataset name to its options and the function that loads it."""
