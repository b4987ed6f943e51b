"""How much a metric may change: defaults by class, a suite's own, the command line's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench import suite
from bench.errors import MembError
from bench.tolerances import Tolerance, default, of_suite, parsed, refuse_unknown

OPEN = math.nan


@pytest.mark.parametrize(
    ("metric", "kind", "unit", "bounds", "expected"),
    [
        ("mse", "quality", "", (0.0, OPEN), Tolerance(rel=0.02)),
        ("train_loss", "quality", "nats", (0.0, math.inf), Tolerance(rel=0.02)),
        ("accuracy", "quality", "", (0.0, 1.0), Tolerance(abs=0.01)),
        ("r2", "quality", "", (OPEN, 1.0), Tolerance(abs=0.01)),
        ("kendall_tau", "quality", "", (-1.0, 1.0), Tolerance(abs=0.01)),
        ("capacity_90", "quality", "items", (0.0, 512.0), Tolerance(rel=0.05, abs=1.0)),
        ("state_floats", "static", "floats", (0.0, OPEN), Tolerance()),
        ("wall", "perf", "s", (0.0, OPEN), Tolerance(rel=0.25, abs=0.001)),
        ("wall", "perf", "ms", (0.0, OPEN), Tolerance(rel=0.25, abs=1.0)),
        ("read_us", "perf", "us/query", (0.0, OPEN), Tolerance(rel=0.25, abs=20.0)),
        ("read_ns", "perf", "ns/query", (0.0, OPEN), Tolerance(rel=0.25, abs=20_000.0)),
        ("peak", "perf", "bytes", (0.0, OPEN), Tolerance(rel=0.05, abs=2.0**20)),
        ("peak", "perf", "MiB", (0.0, OPEN), Tolerance(rel=0.05, abs=1.0)),
        ("floats_written", "perf", "floats/event", (0.0, OPEN), Tolerance()),
    ],
)
def test_each_class_of_metrics_has_its_default(
    metric: str, kind: str, unit: str, bounds: tuple[float, float], expected: Tolerance
) -> None:
    found = default(kind, unit, bounds)
    assert found.rel == expected.rel, metric
    assert found.abs == pytest.approx(expected.abs, rel=1e-12), metric


def test_the_margin_is_the_larger_of_the_two() -> None:
    both = Tolerance(rel=0.05, abs=1.0)
    assert both.margin(-10.0) == 1.0
    assert both.margin(-100.0) == 5.0
    assert Tolerance().margin(3.0) == 0.0
    assert [str(t) for t in (both, Tolerance(rel=0.02), Tolerance(abs=0.01), Tolerance())] == [
        "rel:0.05 or abs:1", "rel:0.02", "abs:0.01", "rel:0",
    ]  # fmt: skip


def test_a_tolerance_on_the_command_line_has_one_part_or_both() -> None:
    found = parsed(["mse=rel:0.05", "acc=abs:0.02", "f1=rel:0.1,abs:1e-3", "mse=abs:0.5"])
    assert found == {
        "mse": Tolerance(rel=0.05, abs=0.5),
        "acc": Tolerance(abs=0.02),
        "f1": Tolerance(rel=0.1, abs=0.001),
    }
    assert parsed([]) == {}


@pytest.mark.parametrize(
    "word",
    ["mse", "mse=", "mse=0.05", "mse=rel", "mse=rel:", "mse=rel:-1", "mse=rel:inf", "=rel:0.1",
     "mse=pct:2", "mse=rel:nan", "mse=rel:0.1,"],
)  # fmt: skip
def test_what_is_no_tolerance_is_named_with_the_form_it_should_have(word: str) -> None:
    with pytest.raises(MembError) as error:
        parsed([word, "ok=rel:0.1", "bad"])
    assert f"--tolerance {word}: not a tolerance" in str(error.value)
    assert "--tolerance bad" in str(error.value)
    assert "METRIC=rel:0.02" in str(error.value)


def test_a_tolerance_for_what_nothing_measures_is_refused_with_the_nearest_name() -> None:
    refuse_unknown(["mse"], ["mse", "mae", ""], "--tolerance")
    with pytest.raises(MembError, match="--tolerance: unknown metric 'mes'") as error:
        refuse_unknown(["mes"], ["mse", "accuracy", ""], "--tolerance")
    assert "did you mean 'mse'?" in str(error.value)
    assert "recorded are accuracy, mse" in str(error.value)


SUITE = """\
name: gate
seeds: 5
memories: [delta]
tasks: [capacity]
statistics: {tolerance: TOLERANCE}
"""


def load(folder: Path, tolerance: str, *overrides: str) -> suite.Suite:
    file = folder / "gate.yaml"
    file.write_text(SUITE.replace("TOLERANCE", tolerance), encoding="utf-8")
    return suite.load(file, overrides=overrides)


def test_a_suite_declares_tolerances_by_metric(tmp_path: Path) -> None:
    loaded = load(tmp_path, "{mse: {rel: 0.05}, capacity_90: {rel: 0, abs: 2}}")
    statistics = loaded.describe()["statistics"]
    assert of_suite(statistics) == {
        "mse": Tolerance(rel=0.05),
        "capacity_90": Tolerance(abs=2.0),
    }
    changed = load(tmp_path, "{mse: {rel: 0.05}}", "statistics.tolerance={mse: {abs: 0.1}}")
    assert of_suite(changed.describe()["statistics"]) == {"mse": Tolerance(abs=0.1)}
    assert of_suite({}) == {}


def test_everything_wrong_with_a_suites_tolerances_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(MembError) as error:
        load(tmp_path, "{mse: {rel: -1, rle: 2}, mae: {}, r2: 3, acc: {abs: .inf}}")
    said = str(error.value)
    assert "statistics.tolerance.mse.rel: must be >= 0, got -1" in said
    assert "unknown key 'rle'" in said
    assert "did you mean 'rel'? allowed are rel, abs" in said
    assert "statistics.tolerance.mae: must give rel, abs or both" in said
    assert "statistics.tolerance.r2: must be a mapping, got 3" in said
    assert "statistics.tolerance.acc.abs: must be finite" in said
    assert "gate.yaml:5:" in said


def test_the_schema_describes_tolerances_for_editors() -> None:
    described = suite.schema()["$defs"]
    entry = described["Statistics"]["properties"]["tolerance"]["additionalProperties"]
    assert entry == {"$ref": "#/$defs/ToleranceEntry"}
    assert described["ToleranceEntry"]["properties"]["rel"]["minimum"] == 0
    assert described["ToleranceEntry"]["additionalProperties"] is False
