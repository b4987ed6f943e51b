"""How often each memory is within a factor of the best (Dolan & More 2002)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.compare.model import Comparison, Row, Section
from bench.compare.overall_model import Overall
from bench.figures import legends, lines, scales
from bench.figures.critical_difference import scopes
from bench.figures.drawing import Absent, Drawing, blank, finished, seeds
from bench.figures.sections import cost
from bench.figures.style import house, styles
from bench.stats.arrays import FloatArray
from bench.stats.profiles import Profile, performance_profile

KIND = "performance-profile"


def drawings(comparison: Comparison) -> Iterator[Drawing | Absent]:
    """One figure per field and scope whose metrics have a perfect value."""
    drawn = 0
    for overall, about in zip(comparison.overall, scopes(comparison), strict=True):
        found = _sections(comparison, overall)
        if found:
            drawn += 1
            yield draw(comparison, overall, found, about)
    if not drawn:
        yield Absent(
            KIND,
            "it takes ranked memories that meet on two blocks of tasks, or on two tasks with "
            "--rows task, of which perfect is known",
        )


def _sections(comparison: Comparison, overall: Overall) -> list[Section]:
    """The field's sections with a cost form on which some memory has all its results."""
    labels = [entrant.label for entrant in overall.entrants]
    return [
        section
        for section in comparison.sections
        if (section.task_label, section.metric) in overall.tasks
        and section.x is None
        and cost(0.0, section) is not None
        and np.isfinite(costs(section, labels).mean(axis=1)).any()
    ]


def costs(section: Section, labels: list[str]) -> FloatArray:
    """Costs [k, n] of memories by seed: infinite where a trial failed, alike where seedless."""
    rows = [row for row in (section.row(label) for label in labels) if row is not None]
    planned = sorted({seed for row in rows for seed in row.planned}) or [0]
    return np.array([_by_seed(row, section, planned) for row in rows])


def _by_seed(row: Row, section: Section, planned: list[int]) -> list[float]:
    if row.seedless:
        return [_cost(row.values[0], section) if row.values else math.inf] * len(planned)
    values = dict(zip(row.seeds, row.values, strict=True))
    return [_cost(values[seed], section) if seed in values else math.inf for seed in planned]


def _cost(value: float, section: Section) -> float:
    found = cost(value, section)
    assert found is not None  # sections without a cost form were left out
    return found


def draw(
    comparison: Comparison, overall: Overall, sections: list[Section], about: str = ""
) -> Drawing:
    """The profile of one field."""
    labels = [label for label in comparison.labels if label in {e.label for e in overall.entrants}]
    by_task = [costs(section, labels) for section in sections]
    found = performance_profile(by_task, rng=comparison.options.rng())
    drawn = [_line(label, found, place) for place, label in enumerate(labels)]
    references = comparison.options.references
    picked = lines.chosen(drawn, references, "higher")
    title = "Share of runs within a factor of the task's best"
    with house():
        figure = blank(5.2, 3.3)
        axes = figure.add_axes((0.12, 0.14, 0.86, 0.78))
        with_band = lines.banded(picked, references)
        lines.plot(axes, picked, styles(comparison.labels), markers=False, banded=with_band)
        axes.set_xlim(found.taus[0], found.taus[-1])
        axes.set_ylim(-0.02, 1.02)
        scales.logarithmic(axes, "x")
        axes.set_title(title)
        axes.set_xlabel("error over the task's best mean error, at most")
        axes.set_ylabel("share of runs ↑")
        legends.outside(axes, picked, styles(comparison.labels), references=references)
        return finished(
            figure, KIND, (about,), title, _caption(sections, by_task, found, picked, with_band),
            _data(labels, found, [task.shape[1] for task in by_task]), below=0.08, wide=2.4,
        )  # fmt: skip


def _line(label: str, found: Profile, place: int) -> lines.Line:
    nothing = np.full(len(found.taus), np.nan)
    return lines.Line(
        label=label,
        x=found.taus,
        values=found.fraction[place][None],
        mean=found.fraction[place],
        lo=nothing if found.lo is None else found.lo[place],
        hi=nothing if found.hi is None else found.hi[place],
        planned=1,
    )


def _caption(
    sections: list[Section],
    by_task: list[FloatArray],
    found: Profile,
    picked: lines.Chosen,
    with_band: set[str],
) -> list[str]:
    some = " They are drawn for the best and the reference."
    return [
        f"Runs: {len(sections)} tasks or metrics, {seeds(task.shape[1] for task in by_task)} each. "
        "Higher is better; a failed run is within no factor.",
        "No bands: fewer than 5 seeds."
        if found.lo is None
        else "Bands: pointwise 95% percentile intervals of a bootstrap of seeds within tasks."
        + (some if len(with_band) < len(picked.strands) else ""),
        picked.told,
    ]


def _data(labels: list[str], found: Profile, counts: list[int]) -> pd.DataFrame:
    parts = []
    for place, label in enumerate(labels):
        parts.append(
            pd.DataFrame(
                {
                    "memory": label,
                    "tau": found.taus,
                    "share": found.fraction[place],
                    "ci_lo": np.nan if found.lo is None else found.lo[place],
                    "ci_hi": np.nan if found.hi is None else found.hi[place],
                    "runs": sum(counts),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
