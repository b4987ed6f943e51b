"""Retrieval of tasks by other pairs of theirs: exact stores, rings, ties, and the real corpus."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.running.workbench import Workbench
from memories.base import InvalidParameter
from memories.slots.exact_knn import ExactKnn
from tasks.arc import real
from tasks.arc.codes import EpisodeCounts, raw_codes
from tasks.arc.retrieval_data import RetrievalData, item_codes
from tasks.arc.retrieval_ranks import Ranks
from tasks.arc.routing_events import Encoding
from tasks.arc_retrieval import ArcRetrieval, shared_features
from tests.tasks.cells import cell, metric, numbers, run, task_of

SMALL = {"test": 2}


def outcome(name: str, params: dict | None = None, memory_params: dict | None = None, seed=0):
    (made,) = run(cell(name, "arc-retrieval", params, memory_params), [seed])
    assert made.status == "ok", made.message
    return made


@pytest.fixture(scope="module")
def episodes() -> RetrievalData:
    raw = raw_codes(0, counts=EpisodeCounts(0, 0, 2))
    return RetrievalData.of_episodes(raw, Encoding(2, 0.0), 0, "mean")


def by_code(data: RetrievalData) -> np.ndarray:
    """Scores [M, M] of the codes themselves: of an item, the cosine of its best event."""
    cosines = data.queries.astype(float) @ data.keys.astype(float).T
    scores = np.full((len(data.queries),) * 2, -np.inf)
    np.maximum.at(scores.T, data.items, cosines.T)
    return scores


@pytest.fixture(scope="module")
def corpus() -> RetrievalData:
    bench = Workbench(cell("zero", "arc-retrieval", {"pool": "arc-training"}), [0])
    return RetrievalData.of_corpus(
        shared_features(bench, "training"), Encoding(1, 0.0), 0, "mean", "last"
    )


def recalled(data: RetrievalData, queries: np.ndarray, capacity: int | None = None) -> np.ndarray:
    """Scores [Q, M] of what an exact store of so many events reads."""
    codes = item_codes(len(data.queries), 64)
    store = ExactKnn(data.keys.shape[1], 64, max_events=capacity or len(data.items))
    values = torch.from_numpy(codes[data.items])
    state = store.write(store.init_state(), torch.from_numpy(data.keys), values)
    return store.read(state, torch.from_numpy(queries)).numpy().astype(float) @ codes.T


def test_a_stored_key_is_found_first(episodes: RetrievalData) -> None:
    """Every event by its own key; no two of the 48 codes are equal."""
    ranks = Ranks.of(recalled(episodes, episodes.keys), episodes.same())
    assert ranks.within(1).all()


def test_a_ring_finds_the_last_events_and_none_of_the_first(corpus: RetrievalData) -> None:
    """C = 100 of M = 400 in order: nothing of the first 300, so that @1 <= 1/4."""
    hits = Ranks.of(recalled(corpus, corpus.queries, 100), corpus.same()).within(1)
    assert not hits[:300].any()
    assert hits[300:].mean() > 0.5
    params = {"pool": "arc-training", "capacity": 100}
    assert metric(outcome("exact-knn", params), "retrieval_at_1") == hits.mean() <= 1 / 4


def test_an_exact_store_finds_what_the_codes_themselves_rank_first(corpus: RetrievalData) -> None:
    """With one neighbour the value read is that of the item of largest cosine; where two codes
    are equal the store has to name one of them, and a fair rank counts neither.
    """
    hits = Ranks.of(by_code(corpus), corpus.same()).within(1).mean()
    seen = metric(outcome("exact-knn", {"pool": "arc-training"}), "retrieval_at_1")
    assert seen == pytest.approx(hits, abs=0.01)
    assert 0.60 <= hits <= 0.85


def test_a_memory_that_recalls_nothing_finds_nothing() -> None:
    """All scores are equal: none is certainly first, and ties take the middle rank, 24.5."""
    made = outcome("zero", SMALL)
    assert metric(made, "retrieval_at_1") == metric(made, "retrieval_at_5") == 0
    assert metric(made, "mrr") <= 1 / 23
    assert made.marks == ("stores nothing",)


def test_rules_tasks_and_families_nest() -> None:
    """Whoever finds the same task found the same rule, and with it the same family."""
    made = outcome("exact-knn", {"test": 4})
    task, rule, family = (
        metric(made, name) for name in ("same_task_at_1", "retrieval_at_1", "same_family_at_1")
    )
    assert 0 < task <= rule <= family <= 1


def test_chance_is_that_of_a_random_ranking() -> None:
    found_by_chance = {m.name: m.chance for m in outcome("zero", {"pool": "arc-training"}).metrics}
    assert found_by_chance["retrieval_at_1"] == pytest.approx(1 / 400)
    assert found_by_chance["retrieval_at_5"] == pytest.approx(5 / 400)
    of_rules = {m.name: m.chance for m in outcome("zero", SMALL).metrics}
    assert of_rules["same_task_at_1"] == pytest.approx(1 / 48)
    assert of_rules["same_family_at_1"] == pytest.approx(1 / 24)
    assert of_rules["retrieval_at_1"] >= 1 / 48


def test_each_pair_of_an_episode_can_be_an_event() -> None:
    raw = raw_codes(0, counts=EpisodeCounts(0, 0, 2))
    each = RetrievalData.of_episodes(raw, Encoding(2, 0.0), 0, "each")
    mean = RetrievalData.of_episodes(raw, Encoding(2, 0.0), 0, "mean")
    assert each.keys.shape == (96, 64)
    assert each.items.tolist() == [item for item in range(48) for _ in range(2)]
    assert np.array_equal(each.queries, mean.queries)
    single = RetrievalData.of_episodes(raw, Encoding(1, 0.0), 0, "mean")
    assert np.array_equal(each.keys[::2], single.keys)


def test_what_is_dictated_is_what_is_written(corpus: RetrievalData) -> None:
    for params, events in (
        ({"pool": "arc-training"}, 400),
        ({"pool": "arc-training", "store": "each"}, 1302 - 400),
        ({"pool": "arc-training", "store": "each", "query": "test"}, 1302),
        ({"test": 3}, 72),
        ({"test": 3, "store": "each", "demonstrations": 3}, 216),
    ):
        task = ArcRetrieval(**params)
        assert task.dictates()["max_events"] == events
        bench = Workbench(cell("zero", "arc-retrieval", params), [0])
        assert len(task._data(bench)[0].items) == events
    assert ArcRetrieval(pool="arc-union").dictates()["max_events"] == 800
    assert ArcRetrieval(capacity=50).dictates()["max_events"] == 50


def test_only_what_is_drawn_depends_on_the_seed() -> None:
    """Real tasks without noise in the order of the corpus: one run says all."""
    assert not ArcRetrieval(pool="arc-training").seeded
    assert ArcRetrieval(pool="arc-training", sigma=0.2).seeded
    assert ArcRetrieval(pool="arc-training", order="shuffled").seeded
    assert ArcRetrieval().seeded
    made = cell("exact-knn", "arc-retrieval", {"pool": "arc-training", "sigma": 0.2})
    first, second = run(made, [0, 1])
    assert numbers(first) != numbers(second)
    assert task_of(made).digest() == real.digest("training")
    assert ArcRetrieval().digest() == ""


def test_the_order_of_writing_changes_nothing_for_an_exact_store_with_room() -> None:
    params = {"pool": "arc-training", "order": "shuffled"}
    first, second = run(cell("exact-knn", "arc-retrieval", params), [0, 1])
    plain = outcome("exact-knn", {"pool": "arc-training"})
    for own in (first, second):  # two equal codes: the newest is named
        assert metric(own, "retrieval_at_1") == pytest.approx(
            metric(plain, "retrieval_at_1"), abs=0.01
        )
    half = run(cell("exact-knn", "arc-retrieval", {**params, "capacity": 50}), [0, 1])
    assert metric(half[0], "retrieval_at_1") != metric(half[1], "retrieval_at_1")


def test_codes_of_items_are_fixed_and_do_not_depend_on_their_number() -> None:
    assert np.array_equal(item_codes(5, 8), item_codes(9, 8)[:5])
    assert np.linalg.norm(item_codes(9, 8), axis=1) == pytest.approx(1, abs=1e-6)


def test_generated_episodes_have_no_test_pair() -> None:
    with pytest.raises(InvalidParameter, match="no test pair"):
        ArcRetrieval(query="test")


def test_samples_are_tasks_of_the_pool() -> None:
    bench = Workbench(cell("zero", "arc-retrieval"), [0])
    (shown,) = ArcRetrieval(pool="arc-training").samples(1, 0, bench)
    assert shown.title.startswith("ARC-AGI-1 task ")
    (other,) = ArcRetrieval(pool="arc-training").samples(1, 1, bench)
    assert other.title != shown.title
    first, second = ArcRetrieval(demonstrations=3).samples(2, 0, bench)
    parts = second.data()["parts"]
    assert [part.get("title") for part in parts[2:]] == ["demonstrations", "asked for with"]
    assert [len(part["pairs"]) for part in parts[2:]] == [3, 3]
    assert parts[2]["pairs"] != parts[3]["pairs"]
    assert first.title != second.title


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["training", "evaluation", "union"])
def test_codes_of_the_real_corpus_find_their_tasks_as_measured(pool: str) -> None:
    """Exact search over the codes: @1 between .60 and .85 and @5 between .80 and .96 within a
    corpus of 400; with noise .2, @1 between .50 and .75; the union of both scores below either.
    """
    bench = Workbench(cell("zero", "arc-retrieval", {"pool": f"arc-{pool}"}), [0])
    features = shared_features(bench, pool)

    def share(sigma: float, k: int) -> float:
        data = RetrievalData.of_corpus(features, Encoding(1, sigma), 0, "mean", "last")
        return float(Ranks.of(by_code(data), data.same()).within(k).mean())

    if pool == "union":
        assert share(0.0, 1) < 0.75
        return
    assert 0.60 <= share(0.0, 1) <= 0.85
    assert 0.80 <= share(0.0, 5) <= 0.96
    assert 0.50 <= share(0.2, 1) <= 0.75
