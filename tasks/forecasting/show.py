"""Origins of a stream for a person to look at: the window that is given, the rows to forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.data.series import Series
from tasks.samples.plot import Curve, Plot
from tasks.samples.sample import Cell, Facts, Sample


def origin(
    series: Series, scaled: NDArray[np.float32], t: int, lookback: int, horizon: int
) -> Sample:
    """The first channel around an origin, in standard deviations of the training rows.

    Args:
        series: What it is taken from.
        scaled: Its values [T, C] as forecasters are given them.
        t: The origin, the last row of the window.
        lookback: L.
        horizon: H.
    """
    channels = scaled.shape[1]
    facts: dict[str, Cell] = {"dataset": series.name, "origin": t}
    if series.times is not None:
        facts["time"] = str(np.datetime_as_string(series.times[t], unit="s"))
    facts |= {"window": lookback, "horizon": horizon, "channels": channels}
    facts["channel shown"] = series.columns[0]
    window = tuple(scaled[t - lookback + 1 : t + 1, 0].tolist())
    target = tuple(scaled[t + 1 : t + 1 + horizon, 0].tolist())
    curves = (Curve("window", ".", t - lookback + 1, window), Curve("target", "o", t + 1, target))
    plot = Plot(f"{series.columns[0]}, in standard deviations", "row", curves)
    return Sample(f"{series.name}, origin {t}", (Facts(facts), plot))


def spread(origins: range, n: int) -> list[int]:
    """So many of the origins, evenly spread from the first to the last; all if there are fewer."""
    if n >= len(origins):
        return list(origins)
    return [origins[at] for at in np.linspace(0, len(origins) - 1, n).round().astype(int)]
