"""The baseline file: what stands in it, that it is written the same twice, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.check import Policy, check, update
from bench.check.baseline import dumped, load, write
from bench.errors import MembError
from bench.tolerances import Tolerance
from tests.bench.check.runs import ACCURACY, CURVE, MSE, Kind, RunBuilder

FIVE = [0.405, 0.417, 0.397, 0.409, 0.418]
TIMES = {
    "name": "read_us", "value": 2.0, "unit": "us/query", "direction": "lower", "kind": "perf",
    "bounds": [0.0, None], "resolution": 0.0, "primary": False, "x": 256.0,
    "repeats": [2.0, 2.5, 1.5], "calibrated": [0.1, 0.2, 0.3],
}  # fmt: skip


def builder() -> RunBuilder:
    run = RunBuilder(statistics={"alpha": 0.01, "tolerance": {"mse": {"rel": 0.05}}})
    run.row("zeta", FIVE, metric=[MSE, ACCURACY], state_floats=64, costs=[TIMES])
    run.row("alpha", [0.1 + 0.2, 1 / 3, 1e-17], params={"b": 1, "a": [1.5, None]})
    return run.row("alpha", [0.7], seeds=[None], deterministic=True, task="another")


def test_one_cell_per_line_sorted_by_task_memory_and_metric(tmp_path: Path) -> None:
    text = builder().baseline(tmp_path).read_text(encoding="utf-8")
    cells = [line for line in text.splitlines() if line.startswith("  {")]
    found = [json.loads(line.rstrip(",")) for line in cells]
    assert [(c["task_label"], c["label"], c["metric"]) for c in found] == [
        ("another", "alpha", "mse"),
        ("recall", "alpha", "mse"),
        ("recall", "zeta", "accuracy"),
        ("recall", "zeta", "mse"),
        ("recall", "zeta", "read_us"),
        ("recall", "zeta", "state_floats"),
    ]
    assert found == json.loads(text)["cells"]


def test_everything_a_check_needs_stands_in_it(tmp_path: Path) -> None:
    read = json.loads(builder().baseline(tmp_path).read_text(encoding="utf-8"))
    assert read["schema"] == "memb-baseline/1"
    assert (read["suite"], read["git_commit"], read["memb_version"]) == ("gate", "c0ffee", "0.1.0")
    assert read["policy"] == {
        "alpha": 0.01,
        "correction": "holm",
        "metrics": None,
        "tolerances": {"mse": {"rel": 0.05, "abs": 0.0}},
    }
    environment = read["environment"]
    assert environment["torch"] == "2.13.0"
    assert environment["deterministic"] is True
    assert len(environment["machine_id"]) == 64
    by_name = {(c["task_label"], c["label"], c["metric"]): c for c in read["cells"]}
    mse = by_name["recall", "alpha", "mse"]
    assert mse["values"] == {"0": 0.1 + 0.2, "1": 1 / 3, "2": 1e-17}
    assert mse["tolerance"] == {"rel": 0.05, "abs": 0.0, "exact_rtol": 1e-5}
    assert mse["memory_params"] == {"a": [1.5, None], "b": 1}
    assert list(mse["memory_params"]) == ["a", "b"]
    assert by_name["another", "alpha", "mse"]["values"] == {"null": 0.7}
    counts = by_name["recall", "zeta", "state_floats"]
    assert counts["tolerance"] == {"rel": 0.0, "abs": 0.0, "exact_rtol": 0.0}
    times = by_name["recall", "zeta", "read_us"]
    assert times["repeats"] == {"raw": [2.0, 2.5, 1.5], "calibrated": [0.1, 0.2, 0.3]}
    assert times["tolerance"] == {"rel": 0.25, "abs": 20.0, "exact_rtol": 0.0}


def test_saving_again_changes_no_byte(tmp_path: Path) -> None:
    file = builder().baseline(tmp_path)
    before = file.read_bytes()
    assert dumped(load(file)).encode() == before
    change = update(builder().write(tmp_path / "again"), file)
    assert (change.written, file.read_bytes()) == (False, before)
    assert (change.added, change.removed, change.changed) == ((), (), ())
    assert change.unchanged == 6


def test_only_the_date_tells_two_writings_apart(tmp_path: Path) -> None:
    file = builder().baseline(tmp_path)
    first = load(file)
    later = replace(first, source=replace(first.source, created="2031-01-01T00:00:00+00:00"))
    assert not write(later, file)
    assert load(file).source.created == first.source.created
    other = tmp_path / "deep" / "other.json"
    assert write(later, other)
    differing = [
        a
        for a, b in zip(
            file.read_text(encoding="utf-8").splitlines(),
            other.read_text(encoding="utf-8").splitlines(),
            strict=True,
        )
        if a != b
    ]
    assert [line.partition(":")[0] for line in differing] == [' "created"']


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_every_value_survives_the_file_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("bits")
    file = RunBuilder().row("m", values).baseline(folder)
    (cell,) = load(file).cells
    assert [cell.values[seed] for seed in range(len(values))] == values


def test_the_order_of_records_changes_nothing(tmp_path: Path) -> None:
    run = builder()
    run.records.reverse()
    run.plan.reverse()
    first = load(builder().baseline(tmp_path / "a"))
    second = load(run.baseline(tmp_path / "b"))
    assert first.cells == second.cells
    assert first.suite_hash == second.suite_hash


def test_what_changes_is_told(tmp_path: Path) -> None:
    file = RunBuilder().row("gone", FIVE).row("kept", FIVE).row("moved", FIVE).baseline(tmp_path)
    now = RunBuilder().row("kept", FIVE).row("moved", [*FIVE[:4], 0.5]).row("new", FIVE)
    change = update(now.write(tmp_path / "now"), file)
    assert change.written
    assert [cell.label for cell in change.added] == ["new"]
    assert [cell.label for cell in change.removed] == ["gone"]
    assert [(a.label, a.values[4], b.values[4]) for a, b in change.changed] == [
        ("moved", 0.418, 0.5)
    ]
    assert change.unchanged == 1


@pytest.mark.parametrize("hole", ["error", None])
def test_failed_and_missing_trials_are_refused_unless_accepted(
    hole: str | None, tmp_path: Path
) -> None:
    run = RunBuilder().row("m", [*FIVE[:4], hole]).row("n", FIVE).write(tmp_path / "run")
    file = tmp_path / "baseline.json"
    with pytest.raises(MembError) as error:
        update(run, file)
    why = "missing: never ran" if hole is None else "error: it broke"
    assert f"m on recall: mse: {why}" in str(error.value)
    assert "--allow-failures" in str(error.value)
    assert not file.exists()
    update(run, file, Policy(allow_failures=True))
    cell = next(cell for cell in load(file).cells if cell.label == "m")
    assert cell.values[4] is None
    assert cell.failures == {4: why}


def test_many_failed_cells_are_counted_beyond_ten(tmp_path: Path) -> None:
    run = RunBuilder()
    for index in range(12):
        run.row(f"m{index:02}", ["error"] * 3)
    with pytest.raises(MembError, match="12 cells are failed or incomplete") as error:
        update(run.write(tmp_path / "run"), tmp_path / "b.json")
    assert "and 2 more" in str(error.value)


def test_a_pair_that_is_declared_not_to_meet_is_no_cell(tmp_path: Path) -> None:
    file = RunBuilder().row("n/a", ["skipped"] * 5).row("m", FIVE).baseline(tmp_path)
    assert [cell.label for cell in load(file).cells] == ["m"]


def test_a_meta_trained_row_is_not_its_untrained_self(tmp_path: Path) -> None:
    run = RunBuilder().row("m", FIVE).row("m@meta", [0.1, 0.2, 0.3], meta="quick")
    cells = load(run.baseline(tmp_path)).cells
    assert len({cell.cell_id for cell in cells}) == 2
    assert {cell.memory for cell in cells} == {"m"}


def test_a_tuned_row_is_not_the_one_with_a_fixed_setting(tmp_path: Path) -> None:
    run = RunBuilder().row("m", FIVE).row("m@tuned", [0.1, 0.2, 0.3])
    run.plan[-1]["tune"] = {"decay": [0.9, 1.0]}
    assert len({cell.cell_id for cell in load(run.baseline(tmp_path)).cells}) == 2


def test_a_curve_of_a_memory_that_failed_throughout_is_refused_too(tmp_path: Path) -> None:
    """No trial of it says that it has a curve: the others of its task point do."""
    metrics = [MSE, CURVE]
    run = RunBuilder().row("m", FIVE, metric=metrics).row("n", ["oom"] * 5, metric=metrics)
    asked = Policy(metrics=("acc_by_load",))
    with pytest.raises(MembError, match="n on recall: acc_by_load at 64: oom: it broke"):
        update(run.write(tmp_path / "run"), tmp_path / "b.json", asked)


def test_renaming_a_memory_or_the_suite_keeps_every_cell(tmp_path: Path) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    now = RunBuilder(suite="other").row("m@renamed", FIVE)
    (report,) = check(now.write(tmp_path / "now"), [file])
    assert [(c.verdict, c.detail) for c in report.cells] == [("ok", "identical")]


def test_tolerances_of_the_option_the_suite_and_the_class_in_this_order(tmp_path: Path) -> None:
    chosen = {"mse": Tolerance(abs=0.5)}
    run = builder().write(tmp_path / "run")
    update(run, tmp_path / "b.json", Policy(tolerances=chosen))
    found = {cell.metric: cell.tolerance for cell in load(tmp_path / "b.json").cells}
    assert found["mse"] == Tolerance(abs=0.5)
    assert found["accuracy"] == Tolerance(abs=0.01)
    with pytest.raises(MembError, match="--tolerance: unknown metric 'msee'"):
        update(run, tmp_path / "c.json", Policy(tolerances={"msee": Tolerance(abs=0.5)}))
    wrong = RunBuilder(statistics={"alpha": 0.05, "tolerance": {"mes": {"rel": 0.1}}})
    with pytest.raises(MembError, match=r"statistics.tolerance of the suite: unknown metric 'mes'"):
        update(wrong.row("m", FIVE).write(tmp_path / "wrong"), tmp_path / "c.json")


def test_a_suite_that_changed_its_tolerance_is_told_that_the_baselines_holds(
    tmp_path: Path,
) -> None:
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    now = RunBuilder(statistics={"alpha": 0.05, "tolerance": {"mse": {"rel": 0.5}}})
    folder = now.row("m", FIVE).write(tmp_path / "now")
    (report,) = check(folder, [file])
    assert report.warnings == (
        "The suite's tolerance of mse (rel:0.5) is not the baseline's (rel:0.02), which holds "
        "until --update-baseline.",
    )
    (report,) = check(folder, [file], Policy(tolerances={"mse": Tolerance(rel=0.1)}))
    assert report.warnings == ()


def test_the_level_is_the_suites_then_the_baselines_unless_given(tmp_path: Path) -> None:
    file = RunBuilder(statistics={"alpha": 0.01}).row("m", FIVE).baseline(tmp_path)
    run = tmp_path / "first"
    assert check(run, [file])[0].policy.alpha == 0.01
    assert check(run, [file], alpha=0.1)[0].policy.alpha == 0.1
    with pytest.raises(MembError, match=r"alpha must be between 0 and 0.5"):
        check(run, [file], alpha=0.5)
    with pytest.raises(MembError, match="alpha of the suite must be between"):
        update(RunBuilder(statistics={"alpha": 0.9}).row("m", FIVE).write(tmp_path / "x"), file)


def test_a_metric_that_nothing_measures_is_refused_and_an_empty_selection_too(
    tmp_path: Path,
) -> None:
    run = RunBuilder().row("m", FIVE, metric=Kind(primary=False)).write(tmp_path / "run")
    with pytest.raises(MembError, match="no cell to write"):
        update(run, tmp_path / "b.json")
    with pytest.raises(MembError, match="--metric: unknown metric 'mae'"):
        update(run, tmp_path / "b.json", Policy(metrics=("mae",)))


Change = Callable[[dict[str, Any]], Any]


def first_cell(change: Callable[[dict[str, Any]], Any]) -> Change:
    return lambda read: change(read["cells"][0])


def timed(**repeats: list[float]) -> Change:
    return lambda read: read["cells"][4].update(repeats=repeats)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda read: read.update(schema="memb-baseline/9"), "this memb reads 'memb-baseline/1'"),
        (lambda read: read.pop("cells"), "key 'cells': missing"),
        (lambda read: read.update(cells={}), "key 'cells': {} is not of its type"),
        (lambda read: read["policy"].update(alpha="x"), "policy"),
        (lambda read: read["policy"].update(alpha=0.7), "policy.alpha"),
        (lambda read: read["policy"].update(correction="bh"), "'bh' is none of holm"),
        (lambda read: read["policy"].update(metrics=[1]), "key 'metrics': 1"),
        (lambda read: read["cells"].append(3), "cells[6]"),
        (lambda read: read["cells"].append(read["cells"][0]), "stands twice"),
        (first_cell(lambda cell: cell.pop("metric")), "key 'metric': missing"),
        (first_cell(lambda cell: cell.update(direction="up")), "'up' is none of lower, higher"),
        (first_cell(lambda cell: cell.update(bounds=[0])), "two numbers or null"),
        (first_cell(lambda cell: cell.update(resolution=True)), "True is not a number"),
        (first_cell(lambda cell: cell.update(values={"one": 1})), "'one' is no seed"),
        (first_cell(lambda cell: cell.update(values={"1": "x"})), "cells[0].values"),
        (first_cell(lambda cell: cell.update(values={"00": 1})), "'00' is no seed"),
        (first_cell(lambda cell: cell.update(values={"٣": 1})), "'٣' is no seed"),
        (first_cell(lambda cell: cell.update(values={"0": 10**400})), "is not a number"),
        (first_cell(lambda cell: cell.update(values={})), "key 'values': no seed"),
        (first_cell(lambda cell: cell.update(values={"null": 1, "0": 1})), "'null' among seeds"),
        (first_cell(lambda cell: cell.update(values={"null": None})), "seed null needs a value"),
        (first_cell(lambda cell: cell.update(failures={"null": "oom"})), "seed null needs"),
        (first_cell(lambda cell: cell.update(failures={"7": "oom"})), "seed 7 needs a value"),
        (first_cell(lambda cell: cell.update(resolution=-1)), "-1 is not at least 0"),
        (first_cell(lambda cell: cell["tolerance"].update(rel=-1)), "at least 0"),
        (first_cell(lambda cell: cell["tolerance"].update(exact_rtol=-1)), "at least 0"),
        (first_cell(lambda cell: cell.update(repeats={"raw": []})), "key 'calibrated': missing"),
        (timed(raw=[], calibrated=[]), "as many raw times as calibrated ones"),
        (timed(raw=[1.0], calibrated=[1.0, 2.0]), "as many raw times as calibrated ones"),
        (timed(raw=[1.0], calibrated=[0.0]), "above 0"),
    ],
)
def test_a_damaged_baseline_is_refused_with_the_place(
    damage: Change, said: str, tmp_path: Path
) -> None:
    file = builder().baseline(tmp_path)
    read = json.loads(file.read_text(encoding="utf-8"))
    damage(read)
    file.write_text(json.dumps(read), encoding="utf-8")
    with pytest.raises(MembError) as error:
        check(builder().write(tmp_path / "now"), [file])
    assert said in str(error.value)
    assert "baseline.json" in str(error.value)


@pytest.mark.parametrize("text", ["", "[1]", '{"schema": NaN}', "nonsense", "[" * 100_000])
def test_what_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    """Neither to check against nor to be overwritten, and the remedy works for both."""
    file = tmp_path / "baseline.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MembError, match=r"not a baseline|schema None") as error:
        load(file)
    assert "delete it and write it anew with --update-baseline" in str(error.value)
    run = builder().write(tmp_path / "run")
    with pytest.raises(MembError, match=r"not a baseline|schema None"):
        update(run, file)
    assert file.read_text(encoding="utf-8") == text
    file.unlink()
    assert update(run, file).written
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(MembError, match="cannot read the baseline"):
        load(file)


def test_a_key_that_a_merge_left_twice_is_refused(tmp_path: Path) -> None:
    """JSON readers keep the last one in silence: here the worse of two baselines."""
    file = RunBuilder().row("m", FIVE).baseline(tmp_path)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"0": 0.405', '"0": 0.405, "0": 0.9'), encoding="utf-8")
    with pytest.raises(MembError, match="key '0' stands twice"):
        load(file)


def test_a_baseline_that_is_not_there_is_named_with_the_one_beside_it(tmp_path: Path) -> None:
    builder().baseline(tmp_path)
    with pytest.raises(MembError, match=r"no baseline .*baselin.json") as error:
        load(tmp_path / "baselin.json")
    assert "did you mean 'baseline.json'?" in str(error.value)
    assert "--update-baseline" in str(error.value)


def test_a_baseline_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    run = builder().write(tmp_path / "run")
    with pytest.raises(MembError, match="cannot write the baseline"):
        update(run, tmp_path / "file" / "baseline.json")
