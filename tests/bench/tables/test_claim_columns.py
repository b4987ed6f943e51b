"""p over time and outperformance in tables and files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.compare import Comparison, compare
from bench.tables import render
from bench.tables.grid import Cell
from bench.tables.leaderboard import leaderboard
from tests.bench.compare.test_claim_options import many
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside, turning
from tests.bench.frames import FrameBuilder

FIELDS = (
    "time_origins", "time_horizon", "time_gap", "time_error", "time_statistic", "time_df",
    "time_p_raw", "time_p_adjusted", "time_unsettled", "time_equivalent", "time_hln", "time_hln_p",
    "time_hln_undefined", "time_hln_unstable",
)  # fmt: skip


def forecasts(folder: Path, **options: Any) -> Comparison:
    found = ForecastRun(folder / "run").forecaster("frozen", REFERENCE)
    found.forecaster("clear", beside(FROZEN, 0.05)).forecaster("lucky", turning(FROZEN, 0.01))
    found.forecaster("unsure", beside(FROZEN, 0.01, over_seeds=0.02))
    found.forecaster("hopeless", beside(FROZEN, 0.0, over_seeds=0.05, draw=3))
    found.forecaster("persistence", FROZEN[0] + 0.3)
    return compare(bench.load(found.write()), **options)


def column(comparison: Comparison, name: str) -> dict[str, Cell]:
    grid = leaderboard(comparison, comparison.sections[0], "ci", None)
    at = grid.header.index(name)
    return {row[0].text: row[at] for row in grid.rows}


def test_time_p_stands_beside_p_and_carries_the_marks(tmp_path: Path) -> None:
    comparison = forecasts(tmp_path)
    header = leaderboard(comparison, comparison.sections[0], "ci", None).header
    at = header.index("p (Holm)")
    assert header[at : at + 3] == ("p (Holm)", "time p (Holm)", "sign-flip p")
    time, seeds = column(comparison, "time p (Holm)"), column(comparison, "p (Holm)")
    assert {label: cell.marks for label, cell in time.items() if cell.marks} == {
        "clear": ("better",),
        "persistence": ("worse",),
    }
    assert not any(cell.marks for cell in seeds.values())
    assert time["clear"].value is not None and time["clear"].value < 0.05
    assert time["frozen"].text == "-"


def test_the_note_says_where_a_verdict_is_open(tmp_path: Path) -> None:
    notes = {label: cell.text for label, cell in column(forecasts(tmp_path), "note").items()}
    assert notes["clear"] == "better"
    assert notes["lucky"] == "n.s. over time"
    assert notes["hopeless"] == "n.s. over seeds and time"
    assert notes["unsure"].startswith("n.s. over seeds: detects ")
    assert notes["unsure"].endswith(" seeds")


def test_claims_on_seeds_alone_have_no_such_column(tmp_path: Path) -> None:
    comparison = forecasts(tmp_path, claim="seed")
    header = leaderboard(comparison, comparison.sections[0], "ci", None).header
    assert not any(name.startswith("time p") for name in header)
    assert column(comparison, "p (Holm)")["lucky"].marks == ("better",)


def test_a_tie_over_time_is_called_one(tmp_path: Path) -> None:
    found = ForecastRun(tmp_path / "run").forecaster("one", FROZEN[0])
    found.forecaster("same", FROZEN[0])
    assert column(compare(bench.load(found.write())), "note")["same"].text == "tie"


def test_files_hold_every_number_of_the_test(tmp_path: Path) -> None:
    comparison = forecasts(tmp_path, margins={"mse": 0.2})
    (section,) = json.loads(render(comparison, "json"))["sections"]
    clear = next(c for c in section["contrasts"] if c["label"] == "clear")
    assert set(FIELDS) <= set(clear)
    assert (clear["time_origins"], clear["time_horizon"], clear["time_df"]) == (400, 4, 12)
    assert (clear["time_gap"], clear["time_unsettled"], clear["time_equivalent"]) == ("", "", True)
    time = comparison.sections[0].contrasts[0].time
    assert time is not None and time.decision is not None and time.reported is not None
    assert clear["time_p_raw"] == pytest.approx(time.decision.p, rel=1e-9)
    assert clear["time_p_adjusted"] == pytest.approx(time.p_adjusted, rel=1e-9)
    assert clear["time_statistic"] == pytest.approx(time.decision.statistic, rel=1e-9)
    assert clear["time_error"] == pytest.approx(time.decision.error, rel=1e-9)
    assert clear["time_hln"] == pytest.approx(time.reported.statistic, rel=1e-9)
    assert (clear["time_hln_undefined"], clear["time_hln_unstable"]) == (False, False)
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(render(comparison, "csv")))}
    assert float(rows["clear"]["time_p_raw"]) == clear["time_p_raw"]
    assert rows["frozen"]["time_p_raw"] == ""


def test_families_over_time_are_in_the_json(tmp_path: Path) -> None:
    document = json.loads(render(forecasts(tmp_path), "json"))
    assert document["time_families"] == [{"metric": "mse", "task_label": "", "m": 5, "failed": 0}]
    assert document["options"]["claim"] == "both"


def test_without_a_test_over_time_its_fields_are_empty() -> None:
    frame = FrameBuilder().cell("ref", [0.4, 0.5, 0.6]).cell("a", [0.3, 0.5, 0.2]).frame()
    (section,) = json.loads(render(compare(frame), "json"))["sections"]
    assert {section["contrasts"][0][field] for field in FIELDS} == {None}


def test_outperformance_has_a_column_and_fields() -> None:
    comparison = compare(many(26).frame(), pab=True)
    cell = column(comparison, "P(A>B) [95% CI]")["a"]
    assert cell.text.startswith("0.87 [0.") and cell.text.endswith(" meaningful")
    (contrast,) = json.loads(render(comparison, "json"))["sections"][0]["contrasts"]
    assert contrast["meaning"] == "meaningful"
    assert 0.5 < contrast["outperformance_lo"] < 26 / 30 < contrast["outperformance_hi"]
    plain = compare(many(26).frame())
    assert "P(A>B) [95% CI]" not in leaderboard(plain, plain.sections[0], "ci", None).header
