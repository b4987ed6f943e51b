"""Whether p-values are uniform where nothing differs: their distribution in A/A runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from bench.figures.drawing import Drawing, blank, finished
from bench.figures.style import PALETTE, SOFT, house, styles
from bench.stats.arrays import FloatArray

KIND = "calibration"


def draw(p_values: Mapping[str, ArrayLike], *, alpha: float = 0.05) -> Drawing:
    """The empirical distributions of p-values that came about under the null hypothesis.

    A curve above the diagonal rejects more often than it should. The band around the diagonal
    holds a whole curve of exact p-values with 95% probability (Dvoretzky, Kiefer & Wolfowitz 1956,
    with the constant of Massart 1990), and is drawn for the fewest p-values.

    Args:
        p_values: By name of a test or setting, at least one p-value in [0, 1] each.
        alpha: Level that is marked.

    Raises:
        ValueError: If a set is empty or holds something that is not a p-value.
    """
    found = {name: _sorted(name, values) for name, values in p_values.items()}
    fewest = min(len(values) for values in found.values())
    title = "p-values where nothing differs"
    with house():
        figure = blank(3.6, 3.6)
        axes = figure.add_axes((0.14, 0.13, 0.83, 0.80))
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        _plot(axes, found, alpha, band(fewest))
        axes.set_title(title)
        axes.set_xlabel("p")
        axes.set_ylabel("share of p-values at most p")
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), borderaxespad=0.0)
        return finished(
            figure, KIND, (), title,
            [
                f"On the diagonal a test keeps its level; above it, it rejects too often. Tinted: "
                f"p up to {alpha:g}. Grey band: where the whole curve of {fewest:,} exact p-values "
                "lies with 95% probability.",
            ],
            _data(found, alpha), below=0.06, wide=1.8,
        )  # fmt: skip


def _plot(axes: Axes, found: Mapping[str, FloatArray], alpha: float, width: float) -> None:
    ends = np.array([0.0, 1.0])
    axes.fill_between(ends, ends - width, ends + width, color=SOFT, alpha=0.15, linewidth=0)
    axes.plot(ends, ends, color=SOFT, linewidth=0.9)
    axes.add_patch(Rectangle((0, 0), alpha, 1, facecolor=PALETTE[3], alpha=0.12, linewidth=0))
    looks = styles(list(found))
    for name, values in found.items():
        look = {key: looks[name].line[key] for key in ("color", "linestyle")}
        share = np.arange(1, len(values) + 1) / len(values)
        axes.step(
            np.concatenate([[0.0], values, [1.0]]), np.concatenate([[0.0], share, [1.0]]),
            where="post", label=name, **look,
        )  # fmt: skip


def band(n: int) -> float:
    """Half the width of the 95% band of an empirical distribution of n values."""
    return math.sqrt(math.log(2 / 0.05) / (2 * n))


def _sorted(name: str, values: ArrayLike) -> FloatArray:
    found = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not len(found) or not (found[0] >= 0 and found[-1] <= 1):
        raise ValueError(f"'{name}' holds no p-values in [0, 1]")
    return found


def _data(found: Mapping[str, FloatArray], alpha: float) -> pd.DataFrame:
    parts = []
    for name, values in found.items():
        share = np.arange(1, len(values) + 1) / len(values)
        part = pd.DataFrame({"test": name, "p": values, "share": share})
        parts.append(part.assign(rejected_at_alpha=float((values < alpha).mean())))
    return pd.concat(parts, ignore_index=True)
