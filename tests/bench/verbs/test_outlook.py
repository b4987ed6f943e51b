from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import runner
from bench.plan import Plan
from bench.verbs.outlook import duration, outlook
from tests.bench.small_runs import HERE, lines, plan_of, suite_text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "unknown"),
        (0.0, "0.0 s"),
        (0.44, "0.4 s"),
        (59.4, "59.4 s"),
        (59.97, "1 min 00 s"),
        (130, "2 min 10 s"),
        (3599.6, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (86_400, "24 h 00 min"),
    ],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_before_a_first_run_the_time_is_unknown(tmp_path: Path) -> None:
    made = plan_of(tmp_path, suite_text("linear-assoc\ndelta"))
    seen = outlook(made, tmp_path / "nowhere")
    assert seen.sentence == "4 trials, 0 cached, time left: unknown"
    assert [cell.time_left for cell in seen.cells] == ["unknown", "unknown"]
    assert not (tmp_path / "nowhere").exists()


def test_a_finished_run_has_nothing_left(finished: tuple[Plan, Path]) -> None:
    made, folder = finished
    seen = outlook(made, folder)
    assert seen.sentence == "4 trials, 4 cached, time left: none"
    assert [(cell.cached, cell.time_left) for cell in seen.cells] == [(2, "0.0 s")] * 2


def timed(folder: Path, seconds: float) -> None:
    """Say that every trial of a run took so long."""
    text = "".join(json.dumps(r | {"wall_s": seconds}) + "\n" for r in lines(folder))
    (folder / "records.jsonl").write_text(text, encoding="utf-8")


def test_the_rest_is_estimated_from_what_ran(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runner.run(plan_of(tmp_path, suite_text("linear-assoc"), seeds="2"), folder, HERE)
    timed(folder, 30.0)
    seen = outlook(plan_of(tmp_path, suite_text("linear-assoc"), seeds="6"), folder)
    assert seen.sentence == "6 trials, 2 cached, time left: 2 min 00 s"
    more = outlook(plan_of(tmp_path, suite_text("linear-assoc\ndelta"), seeds="6"), folder)
    assert more.sentence == "12 trials, 2 cached, time left: at least 2 min 00 s"


def test_what_is_cached_does_not_make_the_unknown_known(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runner.run(plan_of(tmp_path, suite_text("linear-assoc")), folder, HERE)
    seen = outlook(plan_of(tmp_path, suite_text("linear-assoc\ndelta")), folder)
    assert seen.sentence == "4 trials, 2 cached, time left: unknown"


def test_failed_trials_are_left_to_do(tmp_path: Path) -> None:
    made = plan_of(tmp_path, suite_text("linear-assoc"))
    folder = tmp_path / "run"
    runner.run(made, folder, HERE)
    text = "".join(json.dumps(r | {"status": "error"}) + "\n" for r in lines(folder))
    (folder / "records.jsonl").write_text(text, encoding="utf-8")
    assert outlook(made, folder).sentence == "2 trials, 0 cached, time left: unknown"


def test_plain_data_hold_the_keys_only_if_asked(finished: tuple[Plan, Path]) -> None:
    made, folder = finished
    seen = outlook(made, folder)
    brief, full = (seen.describe(verbose=verbose) for verbose in (False, True))
    assert "keys" not in brief
    assert set(full["keys"]) == set(made.trials)
    assert {(k["memory"], k["seed"]) for k in full["keys"].values()} == {
        ("linear-assoc", 0), ("linear-assoc", 1), ("persistence", 0), ("persistence", 1),
    }  # fmt: skip
    assert json.loads(json.dumps(full))["trials"] == 4


def test_notes_say_what_is_special_about_a_cell(tmp_path: Path) -> None:
    tasks = "{name: online-tsf, label: co2, params: {dataset: sm-co2}}"
    seen = outlook(plan_of(tmp_path, suite_text("delta\npersistence\nfrozen", tasks)), tmp_path)
    assert [cell.note for cell in seen.cells] == [
        "delta inside errorbank",
        "runs once: nothing depends on the seed",
        "",
    ]
