"""What is taken down of associative tasks is what a run writes and asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from bench import registry
from bench.verbs.show import TaskStreams
from tasks.association.show import episode
from tasks.association.task import AssociativeTask
from tasks.association.transcript import Transcript, listen
from tasks.interference import Interference
from tasks.order_when import OrderWhen
from tasks.samples.sample import Sample, Table
from tests.tasks import cells
from tests.tasks.recorders import Recorder

SMALL = {
    "pair-recall": {"items": 5, "episodes": 2},
    "capacity": {"loads": [2, 4], "episodes": 2},
    "mqar-vectors": {"items": 4, "rewrites": 1, "episodes": 2},
    "serial-position": {"episodes": 2},
    "interference": {"items": 3, "episodes": 2},
}


@pytest.fixture
def calls(temporary_entries: None, no_storage_probe: None) -> Iterator[list[Any]]:
    registry.memory("recorder", family="fake")(Recorder)
    Recorder.calls.clear()
    yield Recorder.calls
    Recorder.calls.clear()


def heard(task: AssociativeTask, name: str, seed: int = 3) -> Transcript:
    return listen(task, seed, TaskStreams(name))


def table(sample: Sample, title: str) -> dict[str, list[Any]]:
    """A table's columns by name."""
    (found,) = (p for p in sample.parts if isinstance(p, Table) and p.title == title)
    return {name: [row[at] for row in found.rows] for at, name in enumerate(found.columns)}


@pytest.mark.parametrize("name", SMALL)
def test_a_transcript_has_what_a_run_writes_and_asks(calls: list[Any], name: str) -> None:
    made = cells.cell("recorder", name, SMALL[name])
    cells.run(made, [3])
    task = cells.task_of(made)
    assert isinstance(task, AssociativeTask)
    told = heard(task, name)
    # a recorder notes lane by lane within each call
    keys = [rows for write in told.writes for rows in write.keys]
    values = [rows for write in told.writes for rows in write.values]
    queries = [rows for read in told.reads for rows in read.queries]
    written = [call for call in calls if call[0] == "write"]
    assert len(written) == len(keys) == 2 * len(told.writes)
    for call, key, value in zip(written, keys, values, strict=True):
        assert torch.equal(call[2], key)
        assert torch.equal(call[3], value)
    asked = [call for call in calls if call[0] == "read"]
    assert all(torch.equal(call[2], q) for call, q in zip(asked, queries, strict=True))
    stored = [call[1] for call in asked[::2]]
    sizes = [
        sum(told.writes[n - 1].keys.shape[1] for n in told.before(r.after)) for r in told.reads
    ]
    assert sizes == stored


def test_a_state_that_a_task_goes_back_to_knows_its_own_past() -> None:
    told = heard(Interference(items=2, episodes=1), "interference")
    pasts = [told.before(read.after) for read in told.reads]
    # first list; both; first and control; control and second
    assert sorted(pasts) == [[1], [1, 2], [1, 2], [1, 3], [4, 5]]


def test_times_and_contexts_are_taken_down() -> None:
    told = heard(OrderWhen(items=3, episodes=1), "order-when")
    assert told.writes[1].times is not None
    assert told.writes[1].times.tolist() == [[0, 1, 2]]
    told = heard(Interference(items=2, cue="context", episodes=1), "interference")
    assert told.writes[0].contexts is not None


def test_an_episode_shows_each_query_beside_the_nearest_event() -> None:
    task = cells.task_of(cells.cell("delta", "capacity", {"loads": [2, 9], "episodes": 1}))
    assert isinstance(task, AssociativeTask)
    told = heard(task, "capacity")
    sample = episode(told, 0, "t")
    asked, written = table(sample, "asked"), table(sample, "written")
    assert asked["read"] == [1, 1, 2, 2, 2, 2]
    assert asked["stored"] == [2, 2, 9, 9, 9, 9]
    assert asked["nearest event"] == ["1.1", "1.2", "1.1", "1.2", "2.1", "2.2"]
    assert asked["cosine"] == pytest.approx([1.0] * 6, abs=1e-6)
    assert (
        asked["its value"][0] == written["value"][0] == tuple(told.writes[0].values[0, 0].tolist())
    )
    assert "time" not in asked
    # nine events in two writes, of which two and six are shown; four of nine queries
    assert [part.left_out for part in sample.parts if isinstance(part, Table)] == [1, 5]


def test_a_key_written_again_stands_for_its_newest_value() -> None:
    options = {"loads": [4], "condition": "overwrite", "episodes": 1}
    task = cells.task_of(cells.cell("delta", "capacity", options))
    assert isinstance(task, AssociativeTask)
    asked = table(episode(heard(task, "capacity"), 0, "t"), "asked")
    assert asked["nearest event"] == ["1.1", "1.5", "1.3", "1.6"]


def test_a_query_without_a_key_is_near_to_nothing() -> None:
    told = heard(OrderWhen(items=3, episodes=1), "order-when")
    asked = table(episode(told, 0, "t"), "asked")
    assert asked["time"] == [None] * 3 + [0.0, 1.0, 2.0]
    assert asked["cosine"][3:] == [None] * 3


def test_the_task_itself_keeps_its_number_of_episodes() -> None:
    task = Interference(items=2, episodes=20)
    assert len(task.samples(3, 0, TaskStreams("interference"))) == 3
    assert task.episodes == 20
