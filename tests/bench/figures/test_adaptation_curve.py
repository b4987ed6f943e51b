"""Errors over time from the stored losses of each origin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.compare import Comparison, compare
from bench.figures import adaptation
from bench.figures.drawing import Absent, Drawing
from bench.figures.regime_changes import spans
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside

BETTER = beside(FROZEN, 0.05)


def run(folder: Path, **options: object) -> ForecastRun:
    found = ForecastRun(folder / "run").forecaster("frozen", REFERENCE, **options)
    return found.forecaster("better", BETTER, **options)


def drawn(folder: ForecastRun) -> tuple[Comparison, list[Drawing | Absent]]:
    frame = bench.load(folder.write(reference=["frozen"]))
    comparison = compare(frame)
    return comparison, list(adaptation.drawings(comparison, frame))


def only(folder: ForecastRun) -> Drawing:
    (found,) = drawn(folder)[1]
    assert isinstance(found, Drawing)
    return found


def test_means_so_far_and_gains_are_those_of_the_losses(tmp_path: Path) -> None:
    found = only(run(tmp_path))
    assert (found.kind, found.about) == ("adaptation-curve", ("etth1", "mse"))
    a, b = (np.asarray(x, np.float32).astype(np.float64) for x in (BETTER, REFERENCE))
    data = found.data[found.data["memory"].eq("better")]
    so_far = data[data["panel"].eq("mean so far")]
    place = so_far["x"].to_numpy(int) - 1
    expected = (np.cumsum(a, axis=1) / np.arange(1, a.shape[1] + 1)).mean(axis=0)
    assert so_far["mean"].to_numpy() == pytest.approx(expected[place], rel=1e-12)
    gained = data[data["panel"].ne("mean so far")]
    assert gained["panel"].unique().tolist() == ["sum of frozen minus memory"]
    assert gained["mean"].to_numpy() == pytest.approx(
        np.cumsum(b - a, axis=1).mean(axis=0)[place], rel=1e-9
    )


def test_the_last_mean_is_the_metric(tmp_path: Path) -> None:
    comparison, (found,) = drawn(run(tmp_path))
    assert isinstance(found, Drawing)
    means = {row.label: row.mean for row in comparison.sections[0].rows}
    last = found.data[found.data["panel"].eq("mean so far")].groupby("memory")["mean"].last()
    assert last.to_dict() == pytest.approx(means, rel=1e-6)  # losses are stored as float32


def test_gains_are_paired_by_seed_so_that_what_seeds_share_is_not_in_their_band(
    tmp_path: Path,
) -> None:
    level = np.linspace(0, 50, 5)[:, None]
    folder = ForecastRun(tmp_path / "run").forecaster("frozen", FROZEN + level, seeded=True)
    found = only(folder.forecaster("better", FROZEN + level - 0.05, seeded=True))
    data = found.data[found.data["memory"].eq("better")]
    gains = data[data["panel"].ne("mean so far")].iloc[-1]
    assert gains["ci_hi"] - gains["ci_lo"] < 0.01 * abs(gains["mean"])
    means = data[data["panel"].eq("mean so far")].iloc[-1]
    assert means["ci_hi"] - means["ci_lo"] > 10


def test_a_forecaster_without_seeds_is_paired_with_every_seed_of_a_fixed_series(
    tmp_path: Path,
) -> None:
    found = only(run(tmp_path).forecaster("persistence", FROZEN[0] + 1.0))
    data = found.data[found.data["memory"].eq("persistence")]
    assert set(data[data["panel"].eq("mean so far")]["n"]) == {1}
    assert set(data[data["panel"].ne("mean so far")]["n"]) == {5}


def test_a_forecaster_that_stored_nothing_is_named(tmp_path: Path) -> None:
    found = only(run(tmp_path).forecaster("silent", BETTER, series=None))
    assert "silent" not in set(found.data["memory"])
    assert "Without a stored series: silent." in found.caption


def test_damaged_losses_are_no_figure_and_say_why(tmp_path: Path) -> None:
    folder = run(tmp_path, seeded=True)
    frame = bench.load(folder.write(reference=["frozen"]))
    comparison = compare(frame)
    damaged = sorted((tmp_path / "run" / "series").iterdir())[0]
    damaged.write_bytes(b"nonsense")
    (found,) = adaptation.drawings(comparison, frame)
    assert isinstance(found, Absent)
    assert "checksums differ" in found.reason


def test_long_series_are_drawn_at_few_origins_first_and_last_among_them(tmp_path: Path) -> None:
    long = np.tile(FROZEN, (1, 5))
    folder = ForecastRun(tmp_path / "run").forecaster("frozen", long)
    found = only(folder.forecaster("better", long - 0.01))
    xs = sorted(set(found.data["x"]))
    assert (xs[0], xs[-1], len(xs)) == (1, 2000, adaptation.POINTS)


def params(**options: object) -> str:
    return json.dumps({"dataset": "synth-drift", "horizon": 24, "split": "online",
                       "options": {"rows": 8000, "segment": 2000, **options}})  # fmt: skip


def test_changes_stand_at_the_first_origin_of_the_new_regime() -> None:
    """8,000 rows, the test begins at row 2,000 and so at origin 1,999, which is scored first:
    the change at row r is origin r - 1,999 + 1 of those scored.
    """
    assert spans(params(schedule="abrupt")) == [(2.0, 2.0), (2002.0, 2002.0), (4002.0, 4002.0)]


def test_gradual_changes_span_the_rows_in_which_regimes_mix() -> None:
    """400 rows centred on the change at row 4,000 are a mixture but for the first, whose weight
    is 0: rows 3,801 to 4,199.
    """
    found = spans(params(schedule="gradual"))
    assert found[1] == (3801 - 1998.0, 4199 - 1998.0)


def test_other_data_have_no_known_changes() -> None:
    assert spans(params(schedule="none")) == []
    assert spans(json.dumps({"dataset": "etth1", "horizon": 24})) == []
    assert spans(json.dumps({"dataset": "of another memb", "horizon": 24})) == []
    assert spans(json.dumps({"items": 5})) == []
