"""Sizing to a budget, and what a table says of a row whatever its results."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import plan, registry, runner, standing
from bench.compare import compare
from bench.errors import MembError
from bench.frame import load
from bench.plan import Cell, Plan
from memories.base import InvalidParameter
from tests.bench.small_runs import HERE, plan_of
from tests.memories.case import build

SIZES = {"key_dim": 8, "value_dim": 8}


def sized(name: str, budget: int, **given: object) -> standing.Sizing:
    settings = {"phi": "identity", "features": None, **given} if name == "linear-assoc" else given
    return standing.sized(registry.get("memory", name), settings, given, budget, SIZES)


def test_a_memory_takes_the_largest_size_that_fits() -> None:
    assert sized("ring-attention", 100).settings == {"capacity": 6, **rest("ring-attention")}
    assert sized("linear-assoc", 64).settings["phi"] == "identity"
    wider = sized("linear-assoc", 100).settings
    assert (wider["phi"], wider["features"]) == ("rff", 12)


def rest(name: str) -> dict[str, object]:
    """The defaults of everything but the size."""
    from bench.reading import values

    found, _ = values.resolve(registry.get("memory", name), {})
    del found["capacity"]
    return found


def test_what_the_suite_gives_is_kept() -> None:
    """phi: randproj never exceeds D features, whatever the budget."""
    kept = sized("linear-assoc", 800, phi="randproj").settings
    assert (kept["phi"], kept["features"]) == ("randproj", 8)


def test_a_memory_without_a_size_stays_as_it_is() -> None:
    found = sized("zero", 100)
    assert not found.sized
    assert found.refused == ""


def test_a_budget_that_nothing_fits_is_a_reason_not_an_error() -> None:
    found = sized("ring-attention", 15)
    assert found.refused == "budget must be >= 16, the size of one slot, got 15"


def test_a_memory_of_one_size_is_sized_if_it_fits() -> None:
    """D x V floats and no other: nothing larger exists that would exceed the budget."""
    fits = sized("ar-fast-weights", 64)
    assert (fits.sized, fits.refused) == (True, "")
    small = sized("ar-fast-weights", 63)
    assert small.refused == "budget must be >= 64, its only size at these widths, got 63"


def test_other_refusals_are_errors_of_the_suite() -> None:
    class Picky:
        @classmethod
        def from_budget(cls, *_: object, **__: object) -> None:
            raise InvalidParameter("depth", "must be odd")

    entry = registry.get("memory", "zero")
    with pytest.raises(InvalidParameter, match="odd"):
        standing.sized(
            type("E", (), {"cls": Picky, "name": entry.name, "kind": "memory"})(), {}, (), 9, SIZES
        )


def test_standing_says_why_a_row_is_not_ranked() -> None:
    slots = build("ring-attention", capacity=9, key_dim=8, value_dim=8)

    def of(budget: int | None, **more: bool) -> standing.Standing:
        given = {"is_sized": True, "by_state": True, "untrained": False, "beside_trained": False}
        return standing.of(slots, budget=budget, **(given | more))

    assert of(None) == standing.Standing(ranked=False)
    assert of(None, by_state=False) == standing.Standing()
    assert of(150) == standing.Standing(True, 144 / 150, ())
    assert of(200) == standing.Standing(True, 144 / 200, ("fills less than 90% of the budget",))
    assert of(143) == standing.Standing(False, 144 / 143, ("not sized to the budget",))
    assert of(150, is_sized=False).marks == ("not sized to the budget",)
    assert of(150, untrained=True) == standing.Standing(True, 144 / 150, ("untrained",))
    assert not of(150, untrained=True, beside_trained=True).ranked
    blocked = standing.of(
        build("delta", passes=2),
        budget=None, is_sized=False, by_state=True, untrained=False, beside_trained=False,
    )  # fmt: skip
    assert blocked.marks == ("writes do not compose",)


BUDGETS = """\
name: sizes
seeds: 2
memories:
  - zero
  - ring-attention
  - {name: delta, label: delta-rff, params: {phi: rff}}
tasks:
  - {name: capacity, params: {dim: 8, loads: [2, 4], pool: 16, episodes: 1}, budget: [15, 64, 320]}
"""


def cell(made: Plan, label: str, task: str) -> Cell:
    return next(c for c in made.cells if (c.label, c.task_label) == (label, task))


def test_a_budget_is_a_task_point_of_its_own_with_memories_sized_to_it(tmp_path: Path) -> None:
    made = plan_of(tmp_path, BUDGETS)
    tasks = [f"capacity[budget={budget}]" for budget in (15, 64, 320)]
    assert list(dict.fromkeys(c.task_label for c in made.cells)) == tasks
    assert {c.protocol_hash for c in made.cells} == {made.cells[0].protocol_hash}
    capacities = [cell(made, "ring-attention", task).memory_params["capacity"] for task in tasks]
    assert capacities[1:] == [4, 20]
    assert cell(made, "ring-attention", tasks[0]).skipped.startswith("budget must be >= 16")
    assert cell(made, "delta-rff", tasks[1]).memory_params["features"] == 8
    assert cell(made, "delta-rff", tasks[2]).standing.fill == 1.0
    assert not cell(made, "zero", tasks[1]).standing.ranked
    labelled = {key for c in made.cells for key in c.trials.values() if c.label != "zero"}
    assert len(labelled) == 12  # no skipped size shares a key with one that runs


def test_a_table_of_budgets_shows_the_fill_and_ranks_what_is_sized(tmp_path: Path) -> None:
    runner.run(plan_of(tmp_path, BUDGETS), tmp_path / "run", HERE)
    found = compare(load([tmp_path / "run"]))
    small, middle, large = (s for s in found.sections if s.metric == "capacity_90")
    rows = {row.label: row for row in large.rows}
    assert rows["zero"].marks == ("not sized to the budget", "stores nothing")
    assert not rows["zero"].standing
    assert rows["ring-attention"].fill == 1.0
    assert {row.standing for row in large.rows if row.ranked} <= {"best", "second"}
    assert [row.state for row in small.rows] == ["complete", "skipped", "skipped"]
    assert middle.rows[0].fill == 0.0
    assert all(not row.standing for row in small.rows[:1])
    text = "\n".join(found.notes)
    assert "budget used: the measured state" in text
    assert "Shown without a rank" in text


@pytest.mark.parametrize(
    ("memory", "task", "expected"),
    [
        (
            "{name: ring-attention, params: {capacity: 9}}",
            "{name: capacity, budget: 4096}",
            "capacity of ring-attention: is set to 9, and the budget of capacity sets it to 32",
        ),
        ("frozen", "{name: online-tsf, params: {dataset: synth-drift}, budget: 64}", "cannot size"),
        ("delta", "{name: capacity, budget: 0}", "must be a whole number of floats >= 1, got 0"),
        ("delta", "{name: capacity, budget: [8, 8]}", "budget 8 stands twice"),
        ("delta", "{name: capacity, budget: []}", "an empty list gives no budget"),
        ("{name: delta, meta: quick}", "capacity", "it has no slow weights to train"),
        ("{name: delta, meta: fast}", "capacity", "must be 'none', 'quick' or 'full'"),
        (
            "{name: ogd, meta: quick}",
            "{name: online-tsf, params: {dataset: synth-drift}}",
            "meta of ogd",
        ),
    ],
)
def test_a_wrong_budget_or_training_is_refused_before_anything_runs(
    tmp_path: Path, memory: str, task: str, expected: str
) -> None:
    text = f"name: wrong\nseeds: 2\nmemories:\n  - {memory}\ntasks:\n  - {task}\n"
    with pytest.raises(MembError) as caught:
        plan_of(tmp_path, text)
    assert expected in caught.value.render()
    assert "suite.yaml:" in caught.value.render()


def test_memories_of_default_size_are_not_ranked_and_the_note_says_why(tmp_path: Path) -> None:
    text = BUDGETS.replace(", budget: [15, 64, 320]", "").replace("{phi: rff}", "{phi: dpfp}")
    runner.run(plan_of(tmp_path, text), tmp_path / "run", HERE)
    frame = load([tmp_path / "run"])
    found = compare(frame)
    (section,) = found.sections
    assert [row.standing for row in section.rows] == ["", "", ""]
    assert any(note.startswith("No ranks on capacity: memories of") for note in found.notes)
    # there is a best to compare with all the same, for those who ask
    assert {c.against for c in compare(frame, mode="vs-best").sections[0].contrasts} <= {
        "ring-attention", "delta-rff",
    }  # fmt: skip


def test_a_memory_that_a_task_is_too_large_for_is_skipped_with_the_reason(tmp_path: Path) -> None:
    text = (
        "name: large\nseeds: 1\nmemories: [episodic-linear-src]\n"
        "tasks: [{name: capacity, params: {loads: [8, 1024]}}]\n"
    )
    (found,) = plan_of(tmp_path, text).cells
    assert found.skipped == (
        "its time factor overflows float32 in calls of more than 887 events, and the task writes "
        "up to 1024"
    )
    (fits,) = plan_of(tmp_path, text.replace("1024", "512")).cells
    assert fits.skipped == ""


def test_plan_and_module_agree_on_the_default(tmp_path: Path) -> None:
    made = plan_of(tmp_path, "name: d\nseeds: 1\nmemories: [delta]\ntasks: [capacity]\n")
    assert isinstance(made, plan.Plan)
    assert made.cells[0].standing == standing.Standing(ranked=False)
