"""Stages: what is written is kept while there is room, what is trained is forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from bench.running.workbench import Workbench
from tasks.arc.routing_report import OF_GROUP
from tasks.arc_continual import ArcContinual
from tests.tasks.cells import curve, metric, numbers, run
from tests.tasks.keyed import cell

SMALL = {"train": 3, "test": 2}
ALL = 24 * 3


def outcome(name: str, params: dict | None = None, memory_params: dict | None = None, seed=0):
    (found,) = run(cell(name, "arc-continual", {**SMALL, **(params or {})}, memory_params), [seed])
    assert found.status == "ok", found.message
    return found


def matrix(found, stages: int = 4) -> np.ndarray:
    """R [T, T], from the curves of the stages."""
    columns = [list(curve(found, f"stage_{j}_accuracy").values()) for j in range(1, stages + 1)]
    return np.array(columns).T


def test_a_store_with_room_for_all_ends_where_it_would_without_stages() -> None:
    """The same events: after the last stage the accuracy on each group is that of arc-routing."""
    routed = cell("nearest-neighbours", "arc-routing", {**SMALL, "validation": 1}, {"k": 1})
    (at_once,) = run(routed, [0])
    of_family = np.array(list(curve(at_once, "accuracy_of_family").values()))
    expected = [of_family[group == OF_GROUP].mean() for group in range(4)]
    last = matrix(outcome("nearest-neighbours", None, {"k": 1}))[-1]
    assert last == pytest.approx(expected, abs=1e-12)
    assert last.mean() == pytest.approx(metric(at_once, "family_accuracy"))


@pytest.mark.parametrize("memory", ["nearest-neighbours", "label-bank"])
def test_a_ring_with_room_for_one_stage_knows_the_last_alone(memory: str) -> None:
    """6 families of 3 events fill it: R[T, j] = 0 for all j < T, and all that was known is lost."""
    slot = {"memory": {"name": "exact-knn", "params": {"k": 1}}} if memory == "label-bank" else {}
    seen = matrix(outcome(memory, {"capacity": ALL // 4}, slot))
    assert (seen[-1, :-1] == 0).all()
    assert seen[-1, -1] > 0.4
    assert (np.triu(seen, 1) == 0).all(), "what has not come yet cannot be answered"


def test_the_numbers_are_those_of_the_matrix() -> None:
    found = outcome("nearest-neighbours", {"capacity": ALL // 4})
    seen = matrix(found)
    assert metric(found, "average_accuracy") == pytest.approx(seen[-1].mean())
    assert metric(found, "learning_accuracy") == pytest.approx(np.diag(seen).mean())
    assert metric(found, "backward_transfer") == pytest.approx(-np.diag(seen)[:-1].mean())
    assert metric(found, "forgetting") == pytest.approx(seen[:-1, :-1].max(0).mean())
    tested = {m.name: m.resolution for m in found.metrics if m.primary}
    assert list(tested) == ["average_accuracy", "backward_transfer", "forgetting"]
    assert tested["average_accuracy"] == pytest.approx(1 / 48)
    assert tested["forgetting"] == pytest.approx(1 / 12 / 3), "one of 12 answers, of 3 stages"


def test_a_trained_network_forgets_what_it_is_not_shown() -> None:
    found = outcome("dense-moe", {"preset": "easy", "steps": 60})
    seen = matrix(found)
    assert np.diag(seen).mean() > 0.5
    assert metric(found, "forgetting") > 0.4
    assert metric(found, "backward_transfer") < -0.4


def test_stages_are_groups_or_triples_in_the_order_given_or_drawn() -> None:
    rng = np.random.default_rng(0)
    given = ArcContinual().families(rng)
    assert [part.tolist() for part in given] == [list(range(6 * g, 6 * g + 6)) for g in range(4)]
    drawn = ArcContinual(stages="triples", order="drawn").families(rng)
    assert sorted(part.tolist() for part in drawn) == [[k, k + 1, k + 2] for k in range(0, 24, 3)]
    assert [int(part[0]) for part in drawn] != sorted(int(part[0]) for part in drawn)


def test_eight_stages_in_another_order_end_at_the_same_accuracy_of_an_exact_store() -> None:
    given = outcome("nearest-neighbours", None, {"k": 1})
    drawn = outcome("nearest-neighbours", {"stages": "triples", "order": "drawn"}, {"k": 1})
    assert metric(drawn, "average_accuracy") == pytest.approx(metric(given, "average_accuracy"))
    assert len(curve(drawn, "stage_8_accuracy")) == 8


def test_lanes_of_stages_give_what_seeds_give_alone() -> None:
    """float32 weights after 4 x 5 steps differ in their last bits at most."""
    made = cell("hpm", "arc-continual", {**SMALL, "steps": 5, "capacity": 24})
    together = run(made, [0, 1])
    for seed, own in enumerate(together):
        (alone,) = run(made, [seed])
        assert numbers(own) == pytest.approx(numbers(alone), abs=1e-6)
    assert together[0].notes["router"]["instance_stored"] == 24


def test_a_stage_is_shown_once_in_a_random_order_and_trained_on_alone() -> None:
    task = ArcContinual(train=2, test=1, steps=4)
    bench = Workbench(cell("majority", "arc-continual"), [0])
    from tasks.arc.codes import EpisodeCounts, raw_codes

    stages = task._stages(bench, 0, raw_codes(0, counts=EpisodeCounts(2, 0, 1)))
    for group, (train, test, order) in enumerate(
        zip(stages.train, stages.test, stages.order, strict=True)
    ):
        assert sorted(train.labels) == sorted(2 * list(range(6 * group, 6 * group + 6)))
        assert train.labels.tolist() != sorted(train.labels)
        assert set(OF_GROUP[test.labels]) == {group}
        assert order.shape == (4, 64)
        assert set(order.ravel()) == set(range(12))
