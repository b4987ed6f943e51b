from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench import frame, runner
from bench.compare import compare
from bench.errors import MembError
from bench.store import RunFolder
from bench.tables import render
from tests.bench.small_runs import CAPACITY, HERE, lines, plan_of, suite_text


def edit(folder: Path, change: Any) -> None:
    """Rewrite a run's records: `change` maps each to itself, to another or to None."""
    kept = [changed for record in lines(folder) if (changed := change(record))]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    (folder / "records.jsonl").write_text(text, encoding="utf-8")


def run(folder: Path, text: str, **options: Any) -> Path:
    runner.run(plan_of(folder, text, **options), folder / "run", HERE)
    return folder / "run"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two memories on one task, two seeds."""
    return run(tmp_path_factory.mktemp("frame"), suite_text("linear-assoc\ndelta"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of that run to damage."""
    target = tmp_path / "run"
    target.mkdir()
    for name in ("manifest.json", "records.jsonl"):
        (target / name).write_bytes((folder / name).read_bytes())
    return target


def test_every_number_of_every_record_is_a_row(folder: Path) -> None:
    loaded = frame.load([folder])
    assert tuple(loaded.columns) == frame.COLUMNS
    quality = loaded[loaded["kind"] == "quality"]
    stored = [
        (r["label"], r["seed"], m["name"], m.get("x", -1.0), m["value"])
        for r in lines(folder)
        if r["kind"] == "trial"
        for m in r["metrics"]
    ]
    columns = ["label", "seed", "metric", "x", "value"]
    found = [tuple(row) for row in quality[columns].fillna({"x": -1.0}).itertuples(index=False)]
    assert sorted(found) == sorted(stored)
    assert set(loaded["status"]) == {"ok"}
    assert set(loaded["run"]) == {"run"}


def test_costs_are_rows_too_static_ones_per_seed_and_times_once(folder: Path) -> None:
    loaded = frame.load([folder])
    static = loaded[loaded["kind"] == "static"]
    assert set(static["metric"]) == {"state_floats", "param_floats"}
    assert static[static["metric"] == "state_floats"]["value"].tolist() == [64.0] * 4
    perf = loaded[loaded["kind"] == "perf"]
    assert {"write_us", "read_us", "floats_written"} <= set(perf["metric"])
    assert perf["seed"].isna().all()
    assert not perf["primary"].any()
    assert not perf.duplicated(["label", "metric", "x"]).any()


def test_the_headline_is_what_a_leaderboard_shows_unasked(folder: Path) -> None:
    everything, headline = frame.load([folder]), frame.load([folder], headline=True)
    shown = everything[everything["primary"] & everything["x"].isna()]
    assert len(headline) < len(everything)
    pd.testing.assert_frame_equal(headline, shown.reset_index(drop=True))
    assert render(compare(headline), "csv") == render(compare(everything), "csv")


def test_a_trial_without_a_headline_keeps_all_its_numbers(copy: Path) -> None:
    def demote(record: dict[str, Any]) -> dict[str, Any]:
        demoted = [metric | {"primary": False} for metric in record["metrics"]]
        return record | {"metrics": demoted}

    edit(copy, demote)
    assert set(frame.load([copy], headline=True)["metric"]) >= {"capacity_90", "state_floats"}


def test_attributes_say_what_no_row_can(folder: Path) -> None:
    attrs = frame.load([folder]).attrs
    assert attrs["labels"] == ["linear-assoc", "delta"]
    assert attrs["tasks"] == ["capacity"]
    assert attrs["suite"] == "small"
    assert attrs["statistics"]["alpha"] == 0.05
    assert attrs["seeds_extended"] is False
    (facts,) = attrs["runs"]
    assert facts["path"] == str(folder)
    assert facts["memb"] == RunFolder(folder).manifest()["calls"][0]["provenance"]["memb"]


def test_order_is_the_plans_whatever_the_order_of_the_records(folder: Path, copy: Path) -> None:
    reverse = lines(copy)[::-1]
    text = "".join(json.dumps(record) + "\n" for record in reverse)
    (copy / "records.jsonl").write_text(text, encoding="utf-8")
    pd.testing.assert_frame_equal(frame.load([copy]), frame.load([folder]))


def test_a_failed_trial_is_a_hole_with_its_status(copy: Path) -> None:
    failed = {"status": "timeout", "message": "not done after 1 s", "metrics": [], "costs": {}}
    edit(
        copy,
        lambda r: r | failed if (r["label"], r["seed"]) == ("delta", 1) else r,
    )
    loaded = frame.load([copy])
    holes = loaded[loaded["status"] != "ok"]
    (hole,) = holes.to_dict("records")
    assert (hole["label"], hole["seed"], hole["metric"]) == ("delta", 1, "capacity_90")
    assert (hole["status"], hole["message"]) == ("timeout", "not done after 1 s")
    assert math.isnan(hole["value"])
    assert hole["primary"]
    assert hole["direction"] == "higher"


def test_a_trial_that_never_ran_is_a_hole_too(copy: Path) -> None:
    edit(copy, lambda r: None if (r["label"], r["seed"]) == ("delta", 0) else r)
    loaded = frame.load([copy])
    (hole,) = loaded[loaded["status"] == "missing"].to_dict("records")
    assert (hole["label"], hole["seed"], hole["message"]) == ("delta", 0, "never ran")


def test_a_run_without_any_score_still_shows_its_holes(copy: Path) -> None:
    (copy / "records.jsonl").unlink()
    loaded = frame.load([copy])
    assert len(loaded) == 4
    assert set(loaded["status"]) == {"missing"}
    assert set(loaded["metric"]) == {""}


def test_contradicting_records_are_refused(copy: Path) -> None:
    again = next(r for r in lines(copy) if r["kind"] == "trial")
    again["metrics"][0]["value"] += 1
    with (copy / "records.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(again) + "\n")
    with pytest.raises(MembError, match="two records with different values"):
        frame.load([copy])


def test_the_latest_call_decides_what_is_shown_unless_another_is_asked_for(tmp_path: Path) -> None:
    folder = run(tmp_path, suite_text("linear-assoc\ndelta"))
    run(tmp_path, suite_text("delta"))
    assert frame.load([folder]).attrs["labels"] == ["delta"]
    first, second = (call["call_id"] for call in RunFolder(folder).manifest()["calls"])
    assert frame.load([folder], call=first).attrs["labels"] == ["linear-assoc", "delta"]
    assert frame.load([folder], call=second).attrs["labels"] == ["delta"]
    with pytest.raises(MembError, match="no call 'c9'") as caught:
        frame.load([folder], call="c9")
    assert first in caught.value.render()


def test_seeds_added_after_results_were_seen_are_told(tmp_path: Path) -> None:
    folder = run(tmp_path, suite_text("linear-assoc"), seeds="2")
    assert frame.load([folder]).attrs["seeds_extended"] is False
    run(tmp_path, suite_text("linear-assoc"), seeds="2")
    assert frame.load([folder]).attrs["seeds_extended"] is False
    run(tmp_path, suite_text("linear-assoc\ndelta"), seeds="3")
    assert frame.load([folder]).attrs["seeds_extended"] is True


def test_seeds_after_a_call_that_was_cut_off_are_no_extension(tmp_path: Path) -> None:
    folder = run(tmp_path, suite_text("linear-assoc"), seeds="2")
    store = RunFolder(folder)
    store.write_call(store.manifest()["calls"][0] | {"ended": None})
    run(tmp_path, suite_text("linear-assoc"), seeds="3")
    assert frame.load([folder]).attrs["seeds_extended"] is False


def test_several_runs_come_together(folder: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "other", suite_text("exact-knn", name="more"))
    loaded = frame.load([folder, other])
    assert loaded.attrs["labels"] == ["linear-assoc", "delta", "exact-knn"]
    assert len(loaded.attrs["runs"]) == 2
    assert loaded.attrs["suite"] == "small"


def test_a_trial_in_two_runs_counts_once(folder: Path, copy: Path) -> None:
    both, one = frame.load([folder, copy]), frame.load([folder])
    assert both.attrs["labels"] == one.attrs["labels"]
    assert len(both) == len(one)


def test_a_label_with_two_meanings_gets_the_name_of_its_run(folder: Path, tmp_path: Path) -> None:
    text = suite_text("{name: linear-assoc, label: delta}\nexact-knn", name="second")
    made = plan_of(tmp_path, text)
    runner.run(made, tmp_path / "second", HERE)
    loaded = frame.load([folder, tmp_path / "second"])
    labels = ["linear-assoc", "delta@run", "delta@second", "exact-knn"]
    assert loaded.attrs["labels"] == labels
    assert set(loaded["label"]) == set(labels)
    memories = loaded.set_index("label")["memory"]
    assert set(memories["delta@run"]) == {"delta"}
    assert set(memories["delta@second"]) == {"linear-assoc"}


def test_labels_with_blanks_and_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    entry = "{{name: linear-assoc, label: my memory, params: {{decay: {decay}}}}}"
    runs = [
        run(tmp_path / name, suite_text(entry.format(decay=decay)))
        for name, decay in (("a", 0.5), ("b", 1.0))
    ]
    loaded = frame.load(runs)
    assert loaded.attrs["labels"] == [f"my memory@{path.as_posix()}" for path in runs]
    assert len(loaded.drop_duplicates(["label", "seed", "metric", "x"])) == len(loaded)


def test_a_renamed_reference_stays_the_reference(tmp_path: Path) -> None:
    base = "{name: linear-assoc, label: base, params: {decay: 0.5}}"
    text = suite_text(f"{base}\ndelta", more="reference: base")
    first = run(tmp_path / "first", text)
    second = tmp_path / "second"
    runner.run(plan_of(tmp_path, text.replace("0.5", "0.75")), second, HERE)
    assert frame.load([first, second]).attrs["reference"] == ["base@run"]


def test_one_task_label_over_two_protocols_is_two_tasks(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "wide"
    text = suite_text("exact-knn", CAPACITY.replace("pool: 16", "pool: 32"))
    runner.run(plan_of(tmp_path, text), other, HERE)
    comparison = compare(frame.load([folder, other]))
    rows = {s.task_label: [(r.label, r.marks) for r in s.rows] for s in comparison.sections}
    assert rows == {
        "capacity@run": [
            (label, ("differs: protocol (pool=16)",)) for label in ("linear-assoc", "delta")
        ],
        "capacity@wide": [("exact-knn", ("differs: protocol (pool=32)",))],
    }


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MembError, match=r"no run in .*: it has no manifest\.json"):
        frame.load([tmp_path])


def test_the_newest_run_is_the_one_written_to_last(tmp_path: Path) -> None:
    with pytest.raises(MembError, match="memb run quickstart"):
        frame.newest(tmp_path)
    for age, name in enumerate(("new", "old", "older")):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "manifest.json"
        file.write_text("{}", encoding="utf-8")
        os.utime(file, (1e9 - age, 1e9 - age))
    (tmp_path / "no run").mkdir()
    assert frame.newest(tmp_path) == tmp_path / "new"


def test_a_warning_is_told_once_with_all_the_tasks_it_is_given_on(tmp_path: Path) -> None:
    tasks = [
        CAPACITY.replace(
            "capacity, params: {dim: 8", f"capacity, label: {label}, params: {{dim: {dim}"
        )
        for label, dim in (("a", 8), ("b", 12), ("c", 16))
    ]
    made = run(tmp_path, suite_text("linear-assoc\ndelta", "\n".join(tasks)))

    def warns(record: dict[str, Any]) -> dict[str, Any]:
        told = record["task_label"] != "b" or record["label"] == "delta"
        notes = {"warnings": ["too easy"]} if told and record["kind"] == "trial" else {}
        return record | {"notes": notes}

    edit(made, warns)
    assert frame.load([made]).attrs["remarks"] == [
        "linear-assoc on a, c; delta on every task: too easy",
    ]
