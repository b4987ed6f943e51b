from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import plan, plugins, registry, runner, suite
from bench.errors import MembError
from bench.plan import Cell, Plan
from bench.verbs import outlook
from memories.base import AssociativeMemory
from tests.bench.small_runs import CAPACITY, DRIFT, lines, plan_of, suite_text

BASE = suite_text("linear-assoc\ndelta")

PLUGIN = """\
from bench.registry import memory
from mixing import half
from memories.base import AssociativeMemory


@memory("mine", family="test")
class Mine(AssociativeMemory):
    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.value_dim = value_dim

    def init_state(self):
        return {"sum": __import__("torch").zeros(self.value_dim)}

    def write(self, state, keys, values, times=None, contexts=None):
        return {"sum": state["sum"] + half(values.sum(0))}

    def read(self, state, queries, times=None, contexts=None):
        return state["sum"].expand(queries.shape[0], -1)
"""
MIXING = "def half(x):\n    return x / 2\n"


def keys(made: Plan) -> dict[tuple[str, str, int | None], str]:
    return {(c.label, c.task_label, s): k for c in made.cells for s, k in c.trials.items()}


def cells(made: Plan) -> dict[tuple[str, str], Cell]:
    return {(cell.label, cell.task_label): cell for cell in made.cells}


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(MembError) as caught:
        plan_of(folder, text)
    assert caught.value.exit_code == 2
    return caught.value.render()


def test_a_plan_holds_every_memory_on_every_task_over_every_seed(tmp_path: Path) -> None:
    made = plan_of(tmp_path, suite_text("linear-assoc\ndelta", f"{CAPACITY}\ninterference"))
    labels = ["linear-assoc", "delta"]
    tasks = ["capacity", "interference"]
    assert [(c.task_label, c.label) for c in made.cells] == [(t, m) for t in tasks for m in labels]
    assert [seed for _, seed in made.trials.values()] == [0, 1] * 4
    assert len(made.trials) == 8


def test_the_same_suite_has_the_same_keys(tmp_path: Path) -> None:
    assert keys(plan_of(tmp_path / "a", BASE)) == keys(plan_of(tmp_path / "b", BASE))


@pytest.mark.parametrize(
    "text",
    [
        suite_text("linear-assoc\ndelta", name="renamed"),
        suite_text("delta\nlinear-assoc\nexact-knn", f"interference\n{CAPACITY}"),
        suite_text("linear-assoc\ndelta", seeds="7"),
        suite_text("linear-assoc\ndelta", seeds="[1, 0]"),
        suite_text("linear-assoc\n{name: delta, params: {write_strength: 1.0}}"),
        suite_text("linear-assoc\ndelta", more="reference: delta\nstatistics: {alpha: 0.01}"),
    ],
    ids=["name", "more and other order", "more seeds", "seed order", "default", "statistics"],
)
def test_what_cannot_change_a_result_leaves_its_key(tmp_path: Path, text: str) -> None:
    before, after = keys(plan_of(tmp_path, BASE)), keys(plan_of(tmp_path, text))
    assert {trial: after[trial] for trial in before} == before


def test_a_label_is_no_part_of_a_key(tmp_path: Path) -> None:
    relabelled = suite_text("{name: linear-assoc, label: plain}\ndelta")
    before, after = keys(plan_of(tmp_path, BASE)), keys(plan_of(tmp_path, relabelled))
    assert after["plain", "capacity", 0] == before["linear-assoc", "capacity", 0]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (suite_text("{name: linear-assoc, params: {decay: 0.9}}"), {}),
        (suite_text("linear-assoc", CAPACITY.replace("pool: 16", "pool: 17")), {}),
        (suite_text("linear-assoc"), {"seeds": "5,6"}),
        (suite_text("{name: delta, label: linear-assoc}"), {}),
    ],
    ids=["parameter", "task parameter", "seed", "memory"],
)
def test_what_can_change_a_result_changes_its_key(
    tmp_path: Path, text: str, options: dict[str, str]
) -> None:
    before = set(plan_of(tmp_path, suite_text("linear-assoc")).trials)
    after = set(plan_of(tmp_path, text, **options).trials)
    assert len(after) == len(before) == 2
    assert not before & after


def test_seeds_of_a_cell_have_different_keys_and_one_cell_key(tmp_path: Path) -> None:
    few, many = (plan_of(tmp_path, BASE, seeds=s) for s in ("2", "5"))
    assert len(set(keys(many).values())) == 10
    assert [c.cell_key for c in few.cells] == [c.cell_key for c in many.cells]


def test_the_device_kind_is_part_of_a_key_but_not_its_number(tmp_path: Path) -> None:
    loaded = plan_of(tmp_path, BASE).suite
    first, second, cpu = (
        set(plan.make(loaded, device=device).trials) for device in ("cuda:0", "cuda:1", "cpu")
    )
    assert first == second
    assert not first & cpu


def test_the_engines_version_is_part_of_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(plan_of(tmp_path, BASE).trials)
    monkeypatch.setattr(plan, "PROTOCOL_VERSION", plan.PROTOCOL_VERSION + 1)
    assert not before & set(plan_of(tmp_path, BASE).trials)


@pytest.fixture
def plugged(tmp_path: Path, clean_plugins: None) -> Callable[[str, str], set[str]]:
    """Keys of a plug-in memory's trials, with these texts of its file and its helper module."""

    def planned(text: str, helper: str) -> set[str]:
        (tmp_path / "mixing.py").write_text(helper, encoding="utf-8")
        file = tmp_path / "mine.py"
        file.write_text(text, encoding="utf-8")
        assert plugins.load([str(file)], entry_points=False) == []
        return set(plan_of(tmp_path, suite_text("mine")).trials)

    return planned


@pytest.mark.parametrize(
    ("text", "helper", "same"),
    [
        (PLUGIN + "\n# a remark\n", "# halves\n" + MIXING, True),
        (PLUGIN, MIXING.replace("x / 2", "x / 2.5"), False),
        (PLUGIN.replace("state[\"sum\"] + ", "state[\"sum\"] - "), MIXING, False),
    ],
    ids=["comment", "helper module", "memory"],
)  # fmt: skip
def test_code_is_part_of_a_key_and_comments_are_not(
    plugged: Callable[[str, str], set[str]], text: str, helper: str, same: bool
) -> None:
    before = plugged(PLUGIN, MIXING)
    assert len(before) == 2
    assert (plugged(text, helper) == before) is same


def write_csv(file: Path, rows: int = 400, bump: float = 0.0) -> Path:
    values = np.sin(np.arange(rows) / 7)
    values[rows // 2] += bump
    text = "load\n" + "".join(f"{value:.6f}\n" for value in values)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def csv_suite(file: Path) -> str:
    task = f"{{name: online-tsf, params: {{dataset: {file}, horizon: 4, lookback: 8}}}}"
    return suite_text("frozen", task)


def test_a_csv_may_be_moved_but_not_changed(tmp_path: Path) -> None:
    there = write_csv(tmp_path / "there" / "load.csv")
    here = tmp_path / "here" / "load.csv"
    here.parent.mkdir()
    shutil.copy(there, here)
    changed = write_csv(tmp_path / "changed" / "load.csv", bump=1e-5)
    first, moved, other = (
        set(plan_of(tmp_path, csv_suite(f)).trials) for f in (there, here, changed)
    )
    assert first == moved
    assert not first & other


def test_what_depends_on_no_seed_runs_once(tmp_path: Path) -> None:
    fixed = "{name: online-tsf, label: co2, params: {dataset: sm-co2}}"
    made = cells(plan_of(tmp_path, suite_text("persistence\nfrozen", f"{fixed}\n{DRIFT}")))
    assert set(made["persistence", "co2"].trials) == {None}
    assert made["persistence", "co2"].deterministic
    assert set(made["frozen", "co2"].trials) == {0, 1}, "its backbone is initialised from the seed"
    assert set(made["persistence", "drift"].trials) == {0, 1}, "the series is drawn from the seed"


def test_an_associative_memory_meets_a_stream_inside_an_error_bank(tmp_path: Path) -> None:
    text = suite_text("{name: delta, label: lifted, params: {write_strength: 0.5}}", DRIFT)
    (cell,) = plan_of(tmp_path, text).cells
    assert (cell.label, cell.listed, cell.memory) == ("lifted", "delta", "errorbank")
    slot = cell.memory_params["memory"]
    assert (slot["name"], slot["params"]["write_strength"]) == ("delta", 0.5)


def test_a_lifted_memory_has_the_key_of_the_bank_that_holds_it(tmp_path: Path) -> None:
    lifted = suite_text("delta", DRIFT)
    written_out = suite_text("{name: errorbank, params: {memory: delta}}", DRIFT)
    assert set(plan_of(tmp_path, lifted).trials) == set(plan_of(tmp_path, written_out).trials)


def test_a_pair_without_meaning_is_refused_with_both_names(tmp_path: Path) -> None:
    said = refusal(tmp_path, suite_text("linear-assoc\nfrozen"))
    assert "memory 'frozen' (forecaster) cannot meet task 'capacity'" in said
    assert "needs the protocol 'associative'" in said
    assert f"{tmp_path}/suite.yaml:5:" in said
    assert "tasks: [...]" in said


def test_the_same_problem_of_two_tasks_is_told_once_each(tmp_path: Path) -> None:
    said = refusal(tmp_path, suite_text("frozen", f"{CAPACITY}\ninterference"))
    assert said.count("cannot meet task") == 2
    assert said.startswith("2 problems")


def test_a_pair_may_be_left_out_by_limits(tmp_path: Path) -> None:
    made = plan_of(
        tmp_path,
        suite_text(
            "{name: linear-assoc, tasks: [capacity]}\n{name: frozen, tasks: [drift]}",
            f"{CAPACITY}\n{DRIFT}",
        ),
    )
    assert list(cells(made)) == [("linear-assoc", "capacity"), ("frozen", "drift")]


def test_limits_that_leave_nothing_are_refused(tmp_path: Path) -> None:
    text = suite_text(
        "{name: linear-assoc, tasks: [interference]}",
        "{name: capacity, memories: [linear-assoc]}\n{name: interference, memories: [delta]}",
    ).replace("tasks:\n", "  - {name: delta, tasks: [capacity]}\ntasks:\n", 1)
    assert "pairs no memory with a task" in refusal(tmp_path, text)


@pytest.fixture
def timid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that asks for more than a memory has."""
    capacity = registry.get("task", "capacity").cls
    monkeypatch.setattr(capacity, "requires", lambda self: frozenset({"uses_context"}))
    assert not AssociativeMemory.uses_context


@pytest.mark.usefixtures("timid")
def test_a_memory_that_lacks_a_capability_is_skipped_on_record(tmp_path: Path) -> None:
    made = plan_of(tmp_path, suite_text("linear-assoc"))
    (cell,) = made.cells
    assert cell.skipped == "the memory lacks uses_context"
    folder = tmp_path / "run"
    for _ in range(2):
        summary = runner.run(made, folder, runner.Options(timeout_s=None))
        assert (dict(summary.statuses), summary.exit_code) == ({"skipped": 2}, 0)
    assert [(r["status"], r["message"]) for r in lines(folder)] == [
        ("skipped", "the memory lacks uses_context")
    ] * 2, "nothing is recorded a second time"
    assert outlook.outlook(made, folder).sentence == "2 trials, 2 cached, time left: none"


@pytest.mark.parametrize(
    ("memories", "task", "finding"),
    [
        ("{name: linear-assoc, tune: {decay: [0.9, 1.0]}}", CAPACITY, "no validation stream"),
        ("{name: delta, tune: {write_strength: [0.1, 1.0]}}", DRIFT, "meets online-tsf inside"),
    ],
)
def test_tuning_is_refused_where_there_is_nothing_to_tune_on(
    tmp_path: Path, memories: str, task: str, finding: str
) -> None:
    said = refusal(tmp_path, suite_text(memories, task))
    assert finding in said
    assert f"{tmp_path}/suite.yaml:4:" in said
    assert "tune" in said


def test_tuning_is_part_of_a_key(tmp_path: Path) -> None:
    grids = ("{}", "{learning_rate: [0.001, 0.01]}", "{learning_rate: [0.001, 0.02]}")
    made = [
        set(plan_of(tmp_path, suite_text(f"{{name: ogd, tune: {grid}}}", DRIFT)).trials)
        for grid in grids
    ]
    assert not (made[0] & made[1] or made[1] & made[2] or made[0] & made[2])


def test_what_a_task_refuses_is_told_with_its_place(tmp_path: Path) -> None:
    said = refusal(
        tmp_path, suite_text("linear-assoc", "{name: capacity, params: {loads: [4, 2]}}")
    )
    assert "must be increasing, got [4, 2]" in said
    assert f"{tmp_path}/suite.yaml:6:" in said


def test_an_unknown_backbone_is_told_with_its_place(tmp_path: Path) -> None:
    said = refusal(
        tmp_path, suite_text("frozen", DRIFT.replace("horizon: 4", "horizon: 4, backbone: dlinaer"))
    )
    assert "unknown backbone 'dlinaer'" in said
    assert "did you mean 'dlinear'?" in said
    assert f"{tmp_path}/suite.yaml:6:" in said


def test_a_plan_describes_itself_in_plain_json(tmp_path: Path) -> None:
    (cell, _) = plan_of(tmp_path, BASE).cells
    told = cell.describe()
    assert told["trials"] == [[0, cell.trials[0]], [1, cell.trials[1]]]
    assert told["cell_key"] == cell.cell_key
    assert told["memory_params"]["decay"] == 1.0


HUNDREDS_OF_CELLS = ("associative-all", "etth1-full")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in HUNDREDS_OF_CELLS else [])
        for name in suite.shipped()
    ],
)
def test_shipped_suites_have_valid_plans(name: str) -> None:
    """Those on a file of the user's are planned on a stream of the same width that needs none."""
    tasks = suite.load(name).tasks
    on_files = {task.base for task in tasks if task.params.get("dataset") == "etth1"}
    other = [
        f"tasks.{task}.{change}"
        for task in sorted(on_files)
        for change in ("dataset=synth-drift", "options.schedule=none")
    ]
    assert plan.make(suite.load(name, overrides=other)).trials
