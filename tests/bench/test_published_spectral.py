"""What ships of published numbers of Spectral Memory: their sums, what they are set beside."""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench import published, registry, tables
from bench.compare import Comparison, compare
from bench.published import PublishedFile, PublishedNumber
from bench.reading import params as reading
from bench.reading import values
from tests.bench.frames import FrameBuilder
from tests.conftest import ROOT

HORIZONS = (96, 192, 336, 720)
PAPER = {"name": "spectral-former", "params": {"preset": "paper", "patch": 1}}
SMALL = {"name": "spectral-former", "params": {"preset": "small", "patch": None}}
PRINTED = 0.00051
"""Half of the last printed decimal, and what was lost when the terms were rounded."""


def shipped(name: str) -> PublishedFile:
    file = f"{name}.yaml"
    text = (ROOT / "suites" / "published" / file).read_text(encoding="utf-8")
    return published.read(text, file)


FILES = {
    name: shipped(name)
    for name in ("spectral_etth1", "spectral_etth1_baselines", "spectral_etth1_originals")
}


def by_horizon(file: str, source: str, metric: str = "mse") -> dict[str, list[PublishedNumber]]:
    """The numbers of a source at the four horizons, by what it calls the method."""
    found: dict[str, dict[int, PublishedNumber]] = {}
    for number in FILES[file].results:
        if (number.source, number.metric) == (source, metric):
            found.setdefault(number.name, {})[number.params["horizon"]] = number
    assert all(set(numbers) == set(HORIZONS) for numbers in found.values())
    return {name: [numbers[h] for h in HORIZONS] for name, numbers in found.items()}


def average(numbers: list[PublishedNumber]) -> float:
    return statistics.fmean(number.mean for number in numbers)


def runs(source: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Single runs of Spectral Memory [horizons, seeds]."""
    (numbers,) = by_horizon("spectral_etth1", source).values()
    return np.array([number.values for number in numbers])


def test_runs_of_three_seeds_average_as_their_table_prints() -> None:
    """Marquez 2025: means 0.393 0.419 0.452 0.472 by horizon, 0.433 0.440 0.429 by seed, 0.434.

    Each is rounded once more than its terms, which have three decimals themselves: 0.452667 is
    printed as 0.452.
    """
    table = runs("marquez-2025")
    assert table.mean(1) == pytest.approx([0.393, 0.419, 0.452, 0.472], abs=0.001)
    assert table.mean(0) == pytest.approx([0.433, 0.440, 0.429], abs=0.001)
    assert table.mean() == pytest.approx(0.434, abs=PRINTED)


def test_runs_of_five_seeds_average_as_their_table_prints() -> None:
    """Marquez 2025, later revision: four decimals, so half a unit of the fourth."""
    table = runs("marquez-2025b")
    assert table.mean(1) == pytest.approx([0.3951, 0.4198, 0.4543, 0.4694], abs=0.000051)
    assert table.mean() == pytest.approx(0.4346, abs=0.000051)
    (absolute,) = by_horizon("spectral_etth1", "marquez-2025b", "mae").values()
    assert average(absolute) == pytest.approx(0.4395, abs=0.000051)


def test_the_runs_of_both_tables_differ_in_one_seed_at_one_horizon() -> None:
    changed = np.abs(runs("marquez-2025") - runs("marquez-2025b")[:, :3]) > PRINTED
    assert [(HORIZONS[h], 2019 + seed) for h, seed in np.argwhere(changed)] == [(96, 2021)]
    seeds = {tuple(n.seeds or ()) for n in FILES["spectral_etth1"].results}
    assert seeds == {(), (2019, 2020, 2021), (2019, 2020, 2021, 2022, 2023)}


def test_the_remark_tells_what_the_runs_show_against_the_nearest_baseline() -> None:
    over_horizons = runs("marquez-2025b").mean(0)
    timexer = average(by_horizon("spectral_etth1_baselines", "wang-2024")["TimeXer"])
    assert timexer == pytest.approx(0.437, abs=1e-12)
    found = stats.ttest_1samp(over_horizons, timexer)
    remark = " ".join(FILES["spectral_etth1"].remark.split())
    assert f"(sd {over_horizons.std(ddof=1):.4f})" in remark
    assert f"t(4) = {found.statistic:.2f}, p = {found.pvalue:.2f}" in remark


BASELINES = {
    "TimeXer": (0.437, 0.437),
    "FEDformer": (0.440, 0.460),
    "RLinear": (0.446, 0.434),
    "iTransformer": (0.454, 0.447),
    "DLinear": (0.456, 0.452),
    "TimesNet": (0.458, 0.450),
    "PatchTST": (0.469, 0.454),
    "Autoformer": (0.496, 0.487),
}
"""Averages over the horizons, MSE and MAE, as Liu et al. 2024 and Wang et al. 2024 print them."""


@pytest.mark.parametrize(("place", "metric"), [(0, "mse"), (1, "mae")])
def test_baselines_average_as_their_tables_print(place: int, metric: str) -> None:
    file = "spectral_etth1_baselines"
    found = by_horizon(file, "liu-2024", metric) | by_horizon(file, "wang-2024", metric)
    assert set(found) == set(BASELINES)
    for name, numbers in found.items():
        assert average(numbers) == pytest.approx(BASELINES[name][place], abs=PRINTED), name


def test_reruns_and_original_papers_average_as_their_tables_print() -> None:
    """The rerun of TimeXer 0.4580, PatchTST 0.413 and 0.417, DLinear 0.423."""
    rerun = by_horizon("spectral_etth1_baselines", "marquez-2025b")["TimeXer, rerun"]
    assert average(rerun) == pytest.approx(0.4580, abs=0.0001)
    originals = by_horizon("spectral_etth1_originals", "nie-2023")
    originals |= by_horizon("spectral_etth1_originals", "zeng-2023")
    averages = {name: round(average(numbers), 3) for name, numbers in originals.items()}
    assert averages == {
        "PatchTST, L = 512": 0.413,
        "PatchTST, L = 336": 0.417,
        "DLinear, L = 336": 0.423,
    }
    assert len(by_horizon("spectral_etth1_originals", "xu-2024")) == 3


def test_what_was_not_verified_says_so() -> None:
    originals = FILES["spectral_etth1_originals"]
    assert originals.comparable is False
    for key in ("nie-2023", "zeng-2023"):
        assert "not verified" in originals.sources[key]


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_every_parameter_that_is_named_exists(file: PublishedFile) -> None:
    task = registry.get("task", file.task)
    known = {parameter.name for parameter in reading.of(task)}
    conditions = {} if isinstance(file.comparable, bool) else file.comparable
    assert set(file.params) | set(conditions) | {"horizon"} <= known
    assert values.resolve(task, {**conditions, "horizon": 96})[1] == []
    for number in file.results:
        if number.memory is not None:
            memory = registry.get("memory", number.memory)
            assert values.resolve(memory, number.memory_params)[1] == []


def compared(encoder: dict[str, Any], stride: int) -> Comparison:
    built = FrameBuilder()
    tsl = {"name": "itransformer", "params": {"preset": "etth1"}}
    for label, memory, own in (
        ("spectral-v4", "spectral-v4", {}),
        ("spectral", "spectral", {}),
        ("iTransformer", "plain-backbone", {"backbone": tsl}),
    ):
        built.cell(label, [0.394, 0.395, 0.396], memory=memory, params=own, task="tsl-longterm")
    frame = built.frame()
    point = {"dataset": "etth1", "horizon": 96, "lookback": 96, "learning_rate": 1e-4, "epochs": 10}
    frame["task_params"] = json.dumps({**point, "encoder": encoder, "stride": stride})
    return compare(frame)


def test_the_fourth_version_is_judged_at_the_published_size() -> None:
    judged = {
        (row.name, row.source, row.label)
        for entry in compared(PAPER, 1).published
        for row in entry.rows
        if row.label
    }
    assert judged == {
        ("Spectral Memory", "marquez-2025", "spectral-v4"),
        ("Spectral Memory", "marquez-2025b", "spectral-v4"),
        ("iTransformer", "liu-2024", "iTransformer"),
    }


def test_at_a_small_size_published_numbers_are_for_reference_and_remarks_are_printed() -> None:
    comparison = compared(SMALL, 4)
    assert len(comparison.published) == 3
    assert not any(entry.comparable for entry in comparison.published)
    assert {row.verdict for entry in comparison.published for row in entry.rows} == {""}
    text = tables.render(comparison, "markdown")
    for file in FILES.values():
        assert " ".join(file.remark.split()) in text
    assert "comparable with ours are those at encoder spectral-former (preset paper)" in text
    assert "2019: 0.4180, 2020: 0.3807, 2021: 0.3903, 2022: 0.4031, 2023: 0.3834" in text
