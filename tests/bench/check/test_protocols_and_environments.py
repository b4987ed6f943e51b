"""What may be compared with what: protocols, machines, versions, and exact mode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.check import Policy, check, exit_code
from bench.check.environment import machine_id
from bench.errors import MembError
from bench.tolerances import Tolerance
from tests.bench.check.runs import ACCURACY, MSE, PROVENANCE, Kind, RunBuilder, verdict_of

FIVE = [0.405, 0.417, 0.397, 0.409, 0.418]
WORSE = [value * 1.2 for value in FIVE]
TIMES = {
    "name": "read_us", "value": 2.0, "unit": "us/query", "direction": "lower", "kind": "perf",
    "bounds": [0.0, None], "resolution": 0.0, "primary": False, "x": 256.0,
    "repeats": [2.0] * 10, "calibrated": [0.1] * 10,
}  # fmt: skip


def elsewhere(**facts: Any) -> RunBuilder:
    return RunBuilder(provenance={**PROVENANCE, **facts})


def test_another_protocol_under_the_same_name_is_refused_naming_what_differs(
    tmp_path: Path,
) -> None:
    file = RunBuilder().row("m", FIVE, task_params={"items": 5, "noise": 0.0}).baseline(tmp_path)
    now = RunBuilder().row("m", FIVE, task_params={"items": 8, "pool": 9}, protocol="p2")
    with pytest.raises(MembError, match="task 'recall' is not the one of the baseline") as error:
        check(now.write(tmp_path / "now"), [file])
    assert "items: 5 -> 8, noise: 0.0 -> nothing, pool: nothing -> 9" in str(error.value)
    assert "--update-baseline" in str(error.value)


def test_other_data_or_another_version_of_a_task_is_another_protocol(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).row("n", FIVE).baseline(tmp_path)
    now = RunBuilder().row("m", FIVE, protocol="p2").row("n", FIVE, protocol="p2")
    with pytest.raises(MembError, match="its data or the version of the task") as error:
        check(now.write(tmp_path / "now"), [file])
    assert str(error.value).count("recall") == 1  # once, not once per cell


def test_task_points_that_swap_their_names_are_the_same_task_points(tmp_path: Path) -> None:
    first = RunBuilder().row("m", FIVE, task="a", protocol="p1")
    file = first.row("m", WORSE, task="b", protocol="p2").baseline(tmp_path)
    now = first.copy()
    names = {"a": "b", "b": "a"}
    for cell in now.plan:
        cell["task_label"] = names[cell["task_label"]]
    (report,) = check(now.write(tmp_path / "now"), [file])
    assert report.details == {"identical": 2}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Kind("mse", "higher"), 'direction: "lower" -> "higher"'),
        (Kind("mse", unit="W"), 'unit: "" -> "W"'),
        (Kind("mse", kind="static"), 'kind: "quality" -> "static"'),
    ],
)
def test_a_metric_that_is_measured_otherwise_is_refused(
    other: Kind, said: str, tmp_path: Path
) -> None:
    """A score that counts upwards now would read a gain as a loss."""
    file = RunBuilder().row("m", FIVE).row("n", FIVE).baseline(tmp_path)
    now = RunBuilder().row("m", WORSE, metric=other).row("n", WORSE, metric=other)
    with pytest.raises(MembError, match="metric 'mse' is not the one of the baseline") as error:
        check(now.write(tmp_path / "now"), [file])
    assert said in str(error.value)
    assert str(error.value).count("mse") == 1  # once, not once per cell


def test_a_task_that_is_gone_is_missing_while_others_are_compared(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).row("m", FIVE, task="other").baseline(tmp_path)
    (report,) = check(RunBuilder().row("m", FIVE).write(tmp_path / "now"), [file])
    assert [(c.cell.task_label, c.detail) for c in report.cells] == [
        ("other", "missing"),
        ("recall", "identical"),
    ]


def test_nothing_in_common_is_an_error_never_a_pass(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    other = RunBuilder().row("n", FIVE, task="other").write(tmp_path / "other")
    skipped = RunBuilder().row("m", ["skipped"] * 5).write(tmp_path / "skipped")
    for run in (other, skipped):
        with pytest.raises(MembError, match="none of the baseline's 1 cell is in"):
            check(run, [file])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    with pytest.raises(MembError, match=r"no manifest\.json"):
        check(tmp_path, [file])


def test_other_versions_are_told_and_other_machines_do_not_matter(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    same = elsewhere(command=["other"]).row("m", FIVE).write(tmp_path / "same")
    machine = elsewhere(cpu="Abacus 2", python="3.12.0").row("m", FIVE).write(tmp_path / "machine")
    torch = elsewhere(torch="2.14.0").row("m", FIVE).write(tmp_path / "torch")
    assert check(same, [file])[0].environment == ()
    (report,) = check(machine, [file])
    assert [one.key for one in report.environment] == ["python", "cpu", "machine_id"]
    assert report.warnings == ()
    (report,) = check(torch, [file])
    assert [(d.key, d.baseline, d.current) for d in report.environment] == [
        ("torch", "2.13.0", "2.14.0")
    ]
    assert "torch 2.13.0 -> 2.14.0" in report.warnings[0]
    assert report.exit_code == 0


def test_records_of_several_environments_are_told(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    now = RunBuilder().row("m", FIVE)
    now.records[-1]["call_id"] = "call-2"
    folder = now.write(tmp_path / "now")
    edit_calls(folder, lambda calls: [*calls, _elsewhere(calls[0], torch="2.14.0")])
    (report,) = check(folder, [file])
    assert "The records of this run come from 2 environments." in report.warnings
    assert [(d.key, d.current) for d in report.environment] == [("torch", "2.14.0")]


def test_a_difference_that_two_environments_share_is_told_once(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    now = RunBuilder().row("m", FIVE)
    now.records[-1]["call_id"] = "call-2"
    folder = now.write(tmp_path / "now")
    edit_calls(
        folder,
        lambda calls: [
            _elsewhere(calls[0], torch="2.14.0") | {"call_id": "call-1"},
            _elsewhere(calls[0], torch="2.14.0", numpy="3.0.0"),
        ],
    )
    (report,) = check(folder, [file])
    assert [(d.key, d.current) for d in report.environment] == [
        ("torch", "2.14.0"),
        ("numpy", "3.0.0"),
    ]


def test_times_of_which_some_come_from_another_machine_are_not_compared(tmp_path: Path) -> None:
    rows = RunBuilder().row("m", FIVE, costs=[TIMES])
    file = rows.baseline(tmp_path)
    rows.records[0]["call_id"] = "call-2"
    folder = rows.write(tmp_path / "now")
    assert check(tmp_path / "first", [file])[0].details == {"identical": 1, "within-tolerance": 1}
    edit_calls(folder, lambda calls: [*calls, _elsewhere(calls[0], cpu="Abacus 2")])
    assert check(folder, [file])[0].details == {"identical": 1, "not-comparable": 1}


def _elsewhere(call: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {**call, "call_id": "call-2", "provenance": {**PROVENANCE, **facts}}


def test_a_run_that_did_not_end_is_told(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    folder = RunBuilder().row("m", [*FIVE[:1], *[None] * 4]).write(tmp_path / "now")
    assert check(folder, [file])[0].warnings == ()
    edit_calls(folder, lambda calls: [{**calls[0], "ended": None}])
    (report,) = check(folder, [file])
    assert report.exit_code == 1
    assert "This run was stopped, or is still running" in report.warnings[0]


def test_seeds_added_after_results_were_seen_are_told_unless_that_was_planned(
    tmp_path: Path,
) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    now = [v + 0.001 * s for s, v in enumerate(FIVE)]
    for name, values, told in (("now", now, True), ("same", FIVE, False)):
        folder = RunBuilder().row("m", values).write(tmp_path / name)
        edit_calls(folder, lambda calls: [_of_three_seeds(calls[0]), calls[0]])
        (report,) = check(folder, [file])
        assert ("Seeds were added" in "".join(report.warnings)) == told
        assert check(folder, [file], Policy(two_stage=True))[0].warnings == ()
        assert check(folder, [file], exact())[0].warnings == ()


def _of_three_seeds(call: dict[str, Any]) -> dict[str, Any]:
    plan = [{**cell, "trials": cell["trials"][:3]} for cell in call["plan"]]
    return {**call, "call_id": "call-0", "plan": plan}


def edit_calls(
    folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    """Change the calls of a manifest."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["calls"] = change(manifest["calls"])
    file.write_text(json.dumps(manifest), encoding="utf-8")


def test_a_run_without_a_call_is_refused(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    folder = RunBuilder().row("m", FIVE).write(tmp_path / "now")
    edit_calls(folder, lambda calls: [])
    with pytest.raises(MembError, match="no call in "):
        check(folder, [file])


def test_a_machine_is_its_cpu_cores_device_and_threads() -> None:
    facts = {"cpu": "a", "cores": 4, "device": "cpu", "threads": 1, "torch": "2"}
    assert machine_id(facts) == machine_id({**facts, "torch": "3"})
    others = [{"cpu": "b"}, {"cores": 8}, {"device": "cuda"}, {"threads": 2}]
    assert len({machine_id({**facts, **other}) for other in [{}, *others]}) == 5


def exact(**more: Any) -> Policy:
    return Policy(mode="exact", **more)


def test_exact_mode_accepts_rounding_and_nothing_else(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE, state_floats=64).baseline(tmp_path)
    rounded = [value * (1 + 5e-6) for value in FIVE]
    same = RunBuilder().row("m", rounded, state_floats=64).write(tmp_path / "same")
    (report,) = check(same, [file], exact())
    assert (report.exit_code, report.m) == (0, 0)
    assert {c.detail for c in report.cells} == {"identical"}
    one = [*FIVE[:4], FIVE[4] * (1 + 1e-4)]
    (report,) = check(RunBuilder().row("m", one, state_floats=64).write(tmp_path / "one"), [file],
                      exact())  # fmt: skip
    found = verdict_of(report, "m")
    assert (report.exit_code, found.verdict, found.detail) == (1, "regressed", "changed")
    assert "seed 4: 0.418 -> 0.4180418" in found.message
    assert found.p_worse is None


def test_exact_mode_fails_for_a_change_to_the_better_unless_allowed(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE, metric=ACCURACY).baseline(tmp_path)
    better = RunBuilder().row("m", [*FIVE[:4], 0.5], metric=ACCURACY).write(tmp_path / "now")
    (report,) = check(better, [file], exact())
    found = verdict_of(report, "m", "accuracy")
    assert (report.exit_code, found.verdict, found.detail) == (1, "ok", "changed")
    assert check(better, [file], exact(allow_improvement=True))[0].exit_code == 0


def test_exact_mode_fails_for_a_change_that_is_neither_worse_nor_better(tmp_path: Path) -> None:
    """Two seeds changed places: the mean is the same, the behaviour is not."""
    file = RunBuilder().row("m", [0.4, 0.5, 0.6]).baseline(tmp_path)
    (report,) = check(RunBuilder().row("m", [0.5, 0.4, 0.6]).write(tmp_path / "now"), [file],
                      exact())  # fmt: skip
    found = verdict_of(report, "m")
    assert (report.exit_code, found.verdict, found.detail) == (1, "ok", "changed")


def test_exact_mode_needs_every_seed(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    (report,) = check(RunBuilder().row("m", FIVE[:4]).write(tmp_path / "now"), [file], exact())
    found = verdict_of(report, "m")
    assert (report.exit_code, found.verdict, found.detail) == (1, "regressed", "missing-seeds")
    assert "missing 4" in found.message


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        (
            {"cpu": "Abacus 2", "cores": 8},
            "another machine_id: cpu Abacus 1 -> Abacus 2; cores 4 -> 8",
        ),
        ({"torch": "2.14.0"}, "torch is 2.14.0, in the baseline 2.13.0"),
        ({"device": "cuda"}, "the device does not compute bit for bit"),
        ({"dtype": "float64"}, "dtype"),
        ({"numpy": "3.0.0"}, "numpy is 3.0.0, in the baseline 2.4.6"),
        ({"threads": 2}, "the device does not compute bit for bit"),
    ],
)
def test_exact_mode_refuses_another_environment_unless_allowed(
    facts: dict[str, Any], named: str, tmp_path: Path
) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    run = elsewhere(**facts).row("m", FIVE).write(tmp_path / "now")
    with pytest.raises(MembError, match="exact mode") as error:
        check(run, [file], exact())
    assert named in str(error.value)
    assert "--allow-env-change" in str(error.value)
    assert check(run, [file], exact(allow_env_change=True))[0].exit_code == 0
    assert check(run, [file])[0].exit_code == 0


def test_every_baseline_must_pass(tmp_path: Path) -> None:
    """Small steps may each stay within the tolerance of the last, and not of the anchor."""
    rolling = RunBuilder().row("m", FIVE).baseline(tmp_path / "rolling")
    anchor = RunBuilder().row("m", [v * 0.8 + 1e-5 * s for s, v in enumerate(FIVE)])
    reports = check(
        RunBuilder().row("m", FIVE).write(tmp_path / "now"),
        [rolling, anchor.baseline(tmp_path / "anchor")],
    )
    assert [report.exit_code for report in reports] == [0, 1]
    assert exit_code(reports) == 1
    assert [Path(report.baseline.path).parent.name for report in reports] == ["rolling", "anchor"]


def test_an_option_may_name_a_metric_that_only_one_baseline_holds(tmp_path: Path) -> None:
    """An anchor is older than a metric that was added since."""
    rolling = RunBuilder().row("m", FIVE, metric=[MSE, ACCURACY]).baseline(tmp_path / "rolling")
    anchor = RunBuilder().row("m", FIVE).baseline(tmp_path / "anchor")
    run = tmp_path / "rolling" / "first"
    chosen = {"accuracy": Tolerance(abs=0.5)}
    reports = check(run, [rolling, anchor], Policy(tolerances=chosen))
    assert [report.exit_code for report in reports] == [0, 0]
    with pytest.raises(MembError, match="unknown metric 'acc'"):
        check(run, [rolling, anchor], Policy(tolerances={"acc": Tolerance(abs=0.5)}))
    with pytest.raises(MembError, match=r"anchor/baseline\.json holds no cell of accuracy"):
        check(run, [rolling, anchor], Policy(metrics=("accuracy",)))


def test_a_run_against_its_own_baseline_is_identical(tmp_path: Path) -> None:
    run = RunBuilder().row("m", FIVE, state_floats=8).row("n", WORSE, metric=ACCURACY)
    file = run.baseline(tmp_path)
    for policy in (Policy(), exact(), Policy(strict_margin=True), Policy(two_stage=True)):
        (report,) = check(tmp_path / "first", [file], policy)
        assert report.exit_code == 0
        assert report.details == {"identical": 3}


def test_the_order_of_records_changes_no_number(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).row("n", FIVE).baseline(tmp_path)
    now = RunBuilder().row("m", WORSE).row("n", [v + 0.001 * s for s, v in enumerate(FIVE)])
    (first,) = check(now.write(tmp_path / "now"), [file])
    now.records.reverse()
    now.plan.reverse()
    (second,) = check(now.write(tmp_path / "now"), [file])
    assert first == second


def test_a_change_of_unit_changes_no_verdict(tmp_path: Path) -> None:
    """A loss in other units: the relative tolerance, p, and verdict stay."""
    now = [v + 0.004 * (s % 3) for s, v in enumerate(FIVE)]
    reports = []
    for name, factor in (("one", 1.0), ("thousand", 1000.0)):
        file = RunBuilder().row("m", [v * factor for v in FIVE]).baseline(tmp_path / name)
        run = RunBuilder().row("m", [v * factor for v in now]).write(tmp_path / name / "now")
        reports += check(run, [file])
    a, b = (verdict_of(report, "m") for report in reports)
    assert (a.verdict, a.detail) == (b.verdict, b.detail)
    assert a.p_worse == pytest.approx(b.p_worse, rel=1e-9)
    assert a.p_ni == pytest.approx(b.p_ni, rel=1e-9)
    assert a.change == pytest.approx(b.change, rel=1e-9)
