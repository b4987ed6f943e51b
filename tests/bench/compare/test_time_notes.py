"""What stands below a table about time, looks and outperformance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import bench
from bench.compare import compare
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside
from tests.bench.frames import FrameBuilder

CLEAR = beside(FROZEN, 0.05)


def notes(found: ForecastRun, **options: Any) -> list[str]:
    return list(compare(bench.load(found.write()), **options).notes)


def two(folder: Path) -> ForecastRun:
    return ForecastRun(folder / "run").forecaster("frozen", REFERENCE).forecaster("clear", CLEAR)


def test_the_test_over_time_is_named_with_its_numbers_and_its_reach(tmp_path: Path) -> None:
    found = notes(two(tmp_path))
    assert (
        "time p: Diebold-Mariano test of the losses at each origin, averaged over seeds, with the "
        "equal-weighted cosine variance (Lazarus et al. 2018): T = 400 origins, h = 4, 12 degrees "
        "of freedom on etth1; corrected apart from p over seeds: m = 1 for mse."
    ) in found
    assert (
        "time p compares forecasts on this path: it says nothing about other seeds, other series "
        "or later regimes."
    ) in found
    assert (
        "The series is fixed on etth1: seeds vary initialisation only, so time p says whether "
        "differences hold from origin to origin."
    ) in found


def test_uncorrected_families_are_said_to_be(tmp_path: Path) -> None:
    for options in ({"correction": "none"}, {"family": "none"}):
        text = "\n".join(notes(two(tmp_path / str(options)), **options))
        assert "on etth1; not corrected: m = 1 for mse." in text


def test_each_claim_says_what_marks_rest_on(tmp_path: Path) -> None:
    said = {
        "both": "A difference on a fixed series is marked only where p over seeds and time p are "
        "both below alpha.",
        "time": "Marks on a fixed series rest on time p alone: they say nothing about other "
        "initialisations.",
        "seed": "Marks on a fixed series rest on seeds alone: they say nothing about other times.",
    }
    for claim, sentence in said.items():
        found = notes(two(tmp_path / claim), claim=claim)
        assert [text for text in said.values() if text in found] == [sentence]


def test_tables_without_forecasts_say_nothing_of_it() -> None:
    frame = FrameBuilder().cell("ref", [0.4, 0.5, 0.6]).cell("a", [0.3, 0.5, 0.2]).frame()
    for claim in ("both", "seed"):
        text = "\n".join(compare(frame, claim=claim).notes)
        assert "time" not in text and "fixed series" not in text


def test_statistics_that_cannot_be_trusted_are_counted(tmp_path: Path) -> None:
    """Of a difference of period 4 and mean 0, g_0 + g_1 + g_2 + g_3 = 0: at h = 4, V = -g_0 / T."""
    turns = np.tile([0.02, -0.018, 0.0, 0.0], 100)
    found = two(tmp_path).forecaster("turning", REFERENCE - turns)
    assert (
        "Of 2 Harvey-Leybourne-Newbold statistics, which CSV and JSON hold, 1 are undefined and "
        "0 unstable: their variance is not positive, or nearly zero."
    ) in notes(found)


def test_negative_correlation_over_seeds_means_nothing_on_a_fixed_series(tmp_path: Path) -> None:
    """Equal seeds share no data there; where they do, it is a sign of seeds that do not match."""
    levels = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])[:, None] * 0.01
    found = ForecastRun(tmp_path / "fixed").forecaster("frozen", FROZEN + levels)
    assert not any("negatively" in n for n in notes(found.forecaster("a", FROZEN - levels)))
    drift = ForecastRun(tmp_path / "drift").forecaster("frozen", FROZEN + levels, seeded=True)
    assert any(
        "negatively" in note for note in notes(drift.forecaster("a", FROZEN - levels, seeded=True))
    )


def test_one_value_for_all_seeds_is_not_said_to_lack_some(tmp_path: Path) -> None:
    found = notes(two(tmp_path).forecaster("persistence", FROZEN[0] + 0.3))
    assert not any("planned with different seeds" in note for note in found)
