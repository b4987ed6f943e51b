"""Several runs as one: what is united, what is kept apart and why, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import frame, runner, tables
from bench.compare import Comparison, compare
from bench.errors import MembError, StorageError
from bench.records.merge import merge
from bench.store import RunFolder
from tests.bench.small_runs import CAPACITY, HERE, SMALL, lines, plan_of, suite_text

TWO = "linear-assoc\ndelta"


def made(folder: Path, text: str, **options: Any) -> Path:
    runner.run(plan_of(folder.with_name(f"{folder.name}-suite"), text, **options), folder, HERE)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two memories on seeds 0 to 3, in one run and in two halves, and a third memory elsewhere."""
    root = tmp_path_factory.mktemp("runs")
    return {
        "whole": made(root / "whole", suite_text(TWO, seeds="4")),
        "low": made(root / "low", suite_text(TWO, seeds="[0, 1]")),
        "high": made(root / "high", suite_text(TWO, seeds="[2, 3]")),
        "third": made(root / "third", suite_text("exact-knn", seeds="4", name="third")),
        "decayed": made(
            root / "decayed",
            suite_text("{name: linear-assoc, params: {decay: 0.5}}\ndelta", seeds="4"),
        ),
        "streams": made(root / "streams", SMALL),
    }


def copy(run: Path, target: Path) -> Path:
    shutil.copytree(run, target)
    return target


def edit(run: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Rewrite a run's records: `change` maps each to itself, to another or to None."""
    kept = [changed for record in lines(run) if (changed := change(record))]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    (run / "records.jsonl").write_text(text, encoding="utf-8")
    return run


def edit_calls(run: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change every call of a run's manifest in place."""
    manifest = RunFolder(run).manifest()
    for call in manifest["calls"]:
        change(call)
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return run


def shown(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON, without where the records lie."""
    found: dict[str, Any] = json.loads(tables.render(comparison, "json"))
    found["runs"] = [{k: v for k, v in run.items() if k != "path"} for run in found["runs"]]
    return found


def values(run: list[Path]) -> dict[tuple[str, int], float]:
    loaded = frame.load(run)
    scores = loaded[loaded["primary"] & loaded["x"].isna()]
    return {(r.label, r.seed): r.value for r in scores.itertuples()}


def marks(run: Path) -> dict[str, tuple[str, ...]]:
    sections = compare(frame.load([run])).sections
    return {f"{row.label} on {s.task_label}": row.marks for s in sections for row in s.rows}


def test_seeds_of_two_machines_are_the_run_that_one_would_have_made(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merged = merge([runs["high"], runs["low"]], tmp_path / "out")
    assert values([tmp_path / "out"]) == values([runs["whole"]])
    assert (merged.n_trials, merged.apart, merged.remarks) == (8, (), ())
    keys = {r["trial_key"] for r in lines(tmp_path / "out") if r["kind"] == "trial"}
    assert keys == {r["trial_key"] for r in lines(runs["whole"]) if r["kind"] == "trial"}
    (one,) = compare(frame.load([tmp_path / "out"])).sections
    assert [(row.planned, row.state) for row in one.rows] == [((0, 1, 2, 3), "complete")] * 2


@pytest.mark.parametrize(
    "names",
    [("low", "high"), ("whole", "third"), ("whole", "low"), ("low", "third", "high"),
     ("whole", "decayed"), ("decayed", "third", "whole"), ("streams", "whole")],
    ids="+".join,
)  # fmt: skip
def test_comparing_runs_says_what_comparing_their_merge_says(
    runs: dict[str, Path], tmp_path: Path, names: tuple[str, ...]
) -> None:
    given = [runs[name] for name in names]
    merge(given, tmp_path / "out")
    assert shown(compare(frame.load([tmp_path / "out"]))) == shown(compare(frame.load(given)))


def test_a_memory_that_was_added_elsewhere_is_one_more_row(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merge([runs["low"], runs["third"]], tmp_path / "out")
    (one,) = compare(frame.load([tmp_path / "out"])).sections
    planned = {row.label: (row.planned, row.state) for row in one.rows}
    assert planned == {
        "linear-assoc": ((0, 1), "complete"),
        "delta": ((0, 1), "complete"),
        "exact-knn": ((0, 1, 2, 3), "complete"),
    }


def test_a_trial_that_both_hold_counts_once(runs: dict[str, Path], tmp_path: Path) -> None:
    merged = merge([runs["whole"], runs["low"]], tmp_path / "out")
    assert merged.n_records == len(lines(runs["whole"]))
    assert values([tmp_path / "out"]) == values([runs["whole"]])


def test_a_label_with_two_settings_is_two_rows_that_say_what_differs(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merged = merge([runs["whole"], runs["decayed"]], tmp_path / "out")
    assert marks(tmp_path / "out") == {
        "linear-assoc@whole on capacity": ("differs: parameters (decay=1.0)",),
        "delta on capacity": (),
        "linear-assoc@decayed on capacity": ("differs: parameters (decay=0.5)",),
    }
    assert {label for label, _, _ in merged.apart} == {
        "linear-assoc@whole", "linear-assoc@decayed",
    }  # fmt: skip
    suite = RunFolder(tmp_path / "out").manifest()["calls"][0]["suite"]
    assert [m["label"] for m in suite["memories"]] == list(merged.memories)


def test_runs_that_agree_share_the_name_of_a_label_kept_apart(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merge([runs["low"], runs["decayed"], runs["high"]], tmp_path / "out")
    (one,) = compare(frame.load([tmp_path / "out"])).sections
    assert {row.label: row.planned for row in one.rows} == {
        "linear-assoc@low+high": (0, 1, 2, 3),
        "linear-assoc@decayed": (0, 1, 2, 3),
        "delta": (0, 1, 2, 3),
    }


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "code": lambda cell: cell.update(code="0" * 16),
    "tuning": lambda cell: cell.update(tune={"decay": [0.5, 1.0]}),
    "meta-training": lambda cell: cell.update(meta="quick"),
    "memory (delta)": lambda cell: cell.update(memory="delta"),
    "parameters (decay=0.25, new=1, no key_norm)": lambda cell: (
        cell["memory_params"].update(decay=0.25, new=1),
        cell["memory_params"].pop("key_norm"),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_mark_names_what_differs(runs: dict[str, Path], tmp_path: Path, what: str) -> None:
    other = copy(runs["low"], tmp_path / "other")

    def change(call: dict[str, Any]) -> None:
        cell = next(c for c in call["plan"] if c["label"] == "linear-assoc")
        CHANGES[what](cell)
        cell["cell_key"] = "other"
        cell["trials"] = [[seed, f"other-{seed}"] for seed, _ in cell["trials"]]

    edit_calls(other, change)
    merge([runs["low"], other], tmp_path / "out")
    found = marks(tmp_path / "out")["linear-assoc@other on capacity"]
    assert found == (f"differs: {what}",)


def rekeyed(run: Path, target: Path, suffix: str) -> Path:
    """A copy of a run whose trial keys are others, as another machine or engine gives them."""
    other = copy(run, target)

    def change(call: dict[str, Any]) -> None:
        for cell in call["plan"]:
            cell["trials"] = [[seed, key + suffix] for seed, key in cell["trials"]]

    edit_calls(other, change)

    def moved(record: dict[str, Any]) -> dict[str, Any]:
        trial = record["kind"] == "trial"
        return record | ({"trial_key": record["trial_key"] + suffix} if trial else {})

    return edit(other, moved)


def test_equal_settings_under_other_keys_differ_in_the_engine(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    other = rekeyed(runs["low"], tmp_path / "other", "x")
    merge([runs["low"], other], tmp_path / "out")
    assert set(marks(tmp_path / "out").values()) == {("differs: engine",)}


def test_another_kind_of_device_is_another_row_with_costs_of_its_own(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    from bench.running.cache import digest

    other = rekeyed(runs["low"], tmp_path / "gpu", "x")
    edit_calls(other, lambda call: call["provenance"].update(device="cuda:0", cpu="other"))

    def slower(record: dict[str, Any]) -> dict[str, Any]:
        if record["kind"] != "costs":
            return record
        metrics = [m | {"value": m["value"] + 1000} for m in record["metrics"]]
        key = digest([record["cell_key"], "costs", "cuda"])
        return record | {"trial_key": key, "metrics": metrics}

    edit(other, slower)
    given = [runs["low"], other]
    merged = merge(given, tmp_path / "out")
    assert marks(tmp_path / "out")["delta@gpu on capacity"][0].startswith("differs: device (cuda)")
    assert any("their times do not compare" in remark for remark in merged.remarks)
    for loaded in (frame.load([tmp_path / "out"]), frame.load(given)):
        perf = loaded[loaded["kind"].eq("perf")]
        assert not perf.duplicated(["label", "metric", "x"]).any()
        times = perf[perf["metric"].eq("write_us")].groupby("label")["value"].min()
        assert (times["delta@gpu"] > 1000) and (times["delta@low"] < 1000)


def test_one_task_label_over_two_protocols_is_two_tasks(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    wide = made(
        tmp_path / "wide", suite_text(TWO, CAPACITY.replace("pool: 16", "pool: 32"), seeds="2")
    )
    merge([runs["low"], wide], tmp_path / "out")
    assert marks(tmp_path / "out") == {
        f"{label} on capacity@{run}": (f"differs: protocol (pool={pool})",)
        for run, pool in (("low", 16), ("wide", 32))
        for label in ("linear-assoc", "delta")
    }


def test_other_data_under_equal_parameters_is_another_protocol(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    other = copy(runs["low"], tmp_path / "other")

    def change(call: dict[str, Any]) -> None:
        for cell in call["plan"]:
            cell["protocol_hash"] = "f" * 16

    edit_calls(other, change)
    merge([runs["low"], other], tmp_path / "out")
    assert set(marks(tmp_path / "out").values()) == {
        ("differs: protocol (data or version of the task)",)
    }


def changed(run: Path, target: Path, factor: float) -> Path:
    """A copy in which one score of one trial is multiplied."""

    def change(record: dict[str, Any]) -> dict[str, Any]:
        if (record["label"], record["seed"], record["kind"]) != ("delta", 1, "trial"):
            return record
        metrics = [
            m | {"value": m["value"] * factor} if m["name"] == "capacity_90" else m
            for m in record["metrics"]
        ]
        return record | {"metrics": metrics}

    return edit(copy(run, target), change)


def test_two_values_of_one_trial_are_refused_and_named(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    other = changed(runs["low"], tmp_path / "other", 1.01)
    for attempt in (
        lambda: merge([runs["low"], other], tmp_path / "out"),
        lambda: frame.load([runs["low"], other]),
    ):
        with pytest.raises(MembError, match=r"delta on capacity, seed 1.*two values") as caught:
            attempt()
        assert caught.value.exit_code == 2
        assert "capacity_90 is " in caught.value.render()
        assert " in low and " in caught.value.render()
    assert not (tmp_path / "out").exists()


def test_values_that_differ_by_rounding_are_one_trial_and_told(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    other = changed(runs["low"], tmp_path / "other", 1 + 1e-7)
    merged = merge([runs["low"], other], tmp_path / "out")
    assert merged.remarks == (
        "1 trials that low and other both hold differ by rounding; those of low stand",
    )
    assert values([tmp_path / "out"]) == values([runs["low"]])
    assert any(
        "differ by rounding" in note for note in compare(frame.load([tmp_path / "out"])).notes
    )


def test_a_result_stands_before_a_failure_wherever_it_is(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    failed = {"status": "oom", "message": "no room", "metrics": [], "costs": {}}
    broken = edit(
        copy(runs["low"], tmp_path / "broken"),
        lambda r: r | failed if r["label"] == "delta" and r["kind"] == "trial" else r,
    )
    for number, order in enumerate(([broken, runs["low"]], [runs["low"], broken])):
        merge(order, tmp_path / f"out{number}")
        assert values([tmp_path / f"out{number}"]) == values([runs["low"]])


def test_a_trial_that_no_run_holds_stays_missing(runs: dict[str, Path], tmp_path: Path) -> None:
    part = edit(
        copy(runs["low"], tmp_path / "part"),
        lambda r: None if (r["label"], r["seed"]) == ("delta", 1) else r,
    )
    merge([part, runs["third"]], tmp_path / "out")
    loaded = frame.load([tmp_path / "out"])
    (hole,) = loaded[loaded["status"] == "missing"].to_dict("records")
    assert (hole["label"], hole["seed"], hole["run"]) == ("delta", 1, "part")


def test_the_order_of_runs_changes_no_value_and_the_same_runs_give_the_same_bytes(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    given = [runs["low"], runs["third"], runs["high"]]
    merge(given, tmp_path / "a")
    merge(given, tmp_path / "b")
    merge(given[::-1], tmp_path / "c")
    for name in ("manifest.json", "records.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert values([tmp_path / "a"]) == values([tmp_path / "c"])


def test_the_manifest_names_every_call_behind_the_records(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merge([runs["low"], runs["third"]], tmp_path / "out")
    (call,) = RunFolder(tmp_path / "out").manifest()["calls"]
    named = {c["call_id"]: s["run"] for s in call["sources"] for c in s["calls"]}
    assert set(named.values()) == {"low", "third"}
    assert {r["call_id"] for r in lines(tmp_path / "out")} <= set(named)
    facts = frame.load([tmp_path / "out"]).attrs["runs"]
    assert [fact["path"] for fact in facts] == [str(runs["low"]), str(runs["third"])]


def test_a_merge_of_merges_holds_everything(runs: dict[str, Path], tmp_path: Path) -> None:
    merge([runs["low"], runs["third"]], tmp_path / "first")
    merge([tmp_path / "first", runs["high"]], tmp_path / "second")
    assert values([tmp_path / "second"]) == values([runs["whole"], runs["third"]])
    (call,) = RunFolder(tmp_path / "second").manifest()["calls"]
    assert [source["run"] for source in call["sources"]] == ["first/low", "first/third", "high"]


def test_seeds_added_after_results_were_seen_are_still_told(tmp_path: Path) -> None:
    run = made(tmp_path / "run", suite_text("delta"), seeds="2")
    made(tmp_path / "run", suite_text("delta"), seeds="3")
    merge([run], tmp_path / "out")
    assert frame.load([tmp_path / "out"]).attrs["seeds_extended"] is True


def test_a_merged_run_goes_on_without_running_anything_again(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merge([runs["low"], runs["high"]], tmp_path / "out")
    plan = plan_of(tmp_path, suite_text(TWO, seeds="5"))
    summary = runner.run(plan, tmp_path / "out", HERE)
    assert (summary.n_trials, summary.n_cached) == (10, 8)
    assert len(values([tmp_path / "out"])) == 10


def test_series_are_copied_and_checked(runs: dict[str, Path], tmp_path: Path) -> None:
    merge([runs["streams"], runs["low"]], tmp_path / "out")
    stored = [r["series"] for r in lines(tmp_path / "out") if r.get("series")]
    assert stored
    for series in stored:
        content = (tmp_path / "out" / series["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == series["sha256"]
    damaged = copy(runs["streams"], tmp_path / "damaged")
    victim = next((damaged / "series").iterdir())
    victim.write_bytes(b"x")
    with pytest.raises(MembError, match="is not what was recorded"):
        merge([damaged], tmp_path / "again")
    victim.unlink()
    with pytest.raises(MembError, match=r"the series of persistence on drift, seed . is missing"):
        merge([damaged], tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert merge([damaged], tmp_path / "again", slim=True).n_records


def test_a_slim_run_gives_the_same_tables(runs: dict[str, Path], tmp_path: Path) -> None:
    given = [runs["streams"], runs["whole"]]
    merge(given, tmp_path / "slim", slim=True)
    slim, full = frame.load([tmp_path / "slim"]), frame.load(given)
    full.attrs["series"] = {}  # the losses behind a test over time are left out
    assert shown(compare(slim)) == shown(compare(full))
    assert shown(compare(slim, all_metrics=True)) == shown(compare(full, all_metrics=True))


def test_a_slim_run_holds_no_curves_no_series_and_nothing_of_the_machine_s_owner(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merge([runs["streams"]], tmp_path / "slim", slim=True)
    assert {file.name for file in (tmp_path / "slim").iterdir()} == {
        "manifest.json", "records.jsonl.gz",
    }  # fmt: skip
    packed = gzip.decompress((tmp_path / "slim" / "records.jsonl.gz").read_bytes()).splitlines()
    trials = [r for r in map(json.loads, packed) if r["kind"] == "trial"]
    assert trials
    assert not any(r["series"] for r in trials)
    assert not any(m.get("x") is not None for r in trials for m in r["metrics"] if not m["primary"])
    calls = RunFolder(tmp_path / "slim").manifest()["calls"]
    text = json.dumps(calls)
    host = RunFolder(runs["streams"]).manifest()["calls"][0]["provenance"]["host"]
    assert host
    assert '"host"' not in text
    command = calls[0]["provenance"]["command"]
    assert Path(command[0]).name == command[0]


def test_the_same_slim_merge_gives_the_same_bytes(runs: dict[str, Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        merge([runs["low"]], tmp_path / name, slim=True)
    for name in ("manifest.json", "records.jsonl.gz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_slim_run_goes_on_and_starts_over_like_any_other(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    merge([runs["low"]], tmp_path / "slim", slim=True)
    plan = plan_of(tmp_path, suite_text(TWO, seeds="3"))
    summary = runner.run(plan, tmp_path / "slim", HERE)
    assert (summary.n_trials, summary.n_cached) == (6, 4)
    fresh = runner.run(plan, tmp_path / "slim", runner.Options(timeout_s=None, cache="never"))
    assert fresh.n_cached == 0
    assert list((tmp_path / "slim").glob("records.before-*.jsonl.gz"))


def test_damaged_packed_records_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    merge([runs["low"]], tmp_path / "slim", slim=True)
    packed = tmp_path / "slim" / "records.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(MembError, match="damaged") as caught:
        frame.load([tmp_path / "slim"])
    assert str(packed) in caught.value.render()


def test_nothing_is_overwritten_and_nothing_is_left_of_a_failure(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("mine", encoding="utf-8")
    for target in (tmp_path / "used", tmp_path / "used" / "file", runs["low"]):
        with pytest.raises(MembError, match=r"is not (empty|a folder)"):
            merge([runs["low"]], target)
    (tmp_path / "empty").mkdir()
    assert merge([runs["low"]], tmp_path / "empty").n_trials == 4

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        merge([runs["low"]], tmp_path / "new" / "out")
    assert caught.value.exit_code == 3
    assert list((tmp_path / "new").iterdir()) == []


def test_a_run_that_is_named_twice_or_is_none_is_refused(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(MembError, match="is named twice"):
        merge([runs["low"], runs["low"] / ".." / "low"], tmp_path / "out")
    with pytest.raises(MembError, match=r"no run in .*: it has no manifest\.json"):
        merge([tmp_path], tmp_path / "out")


def test_runs_of_one_folder_name_keep_their_paths(tmp_path: Path) -> None:
    entry = "{{name: linear-assoc, params: {{decay: {decay}}}}}"
    given = [
        made(tmp_path / name / "run", suite_text(entry.format(decay=decay)))
        for name, decay in (("a", 0.5), ("b", 1.0))
    ]
    merged = merge(given, tmp_path / "out")
    assert merged.memories == tuple(f"linear-assoc@{path.as_posix()}" for path in given)


def test_merging_imports_no_torch(runs: dict[str, Path], tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from bench.records.merge import merge; "
        "merge([Path(p) for p in sys.argv[1:3]], Path(sys.argv[3])); "
        "sys.exit('torch' in sys.modules)"
    )
    words = [str(runs["low"]), str(runs["high"]), str(tmp_path / "out")]
    subprocess.run([sys.executable, "-c", program, *words], check=True, timeout=60)
