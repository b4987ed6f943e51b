"""Is a rule found again from other examples of it: retrieval of ARC-style tasks by their codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.arc import real
from tasks.arc.cached import shared_raw_codes
from tasks.arc.codes import EpisodeCounts
from tasks.arc.drawing import of_pool
from tasks.arc.families import FAMILIES
from tasks.arc.real import ArcPool, QueryPair, RealFeatures, StoreAs
from tasks.arc.retrieval_data import RetrievalData, item_codes
from tasks.arc.retrieval_ranks import Ranks, chance_within, cosine_scores
from tasks.arc.routing_events import Encoding
from tasks.arc.show import shown_episodes
from tasks.association.episode_lanes import EpisodeLanes
from tasks.association.recall import chance_reciprocal_rank
from tasks.association.recall_metrics import accuracy
from tasks.association.task import AssociativeTask
from tasks.base import Metric, Outcome, Randomness, Workbench
from tasks.samples.sample import Sample

WITHIN = (1, 5)
"""Ranks up to which a find counts."""


@task("arc-retrieval", family="routing", source="ARC-AGI-1 (Chollet 2019)")
class ArcRetrieval(AssociativeTask):
    """Retrieval of tasks of ARC-AGI-1, or of generated episodes, by pairs that were not stored.

    Each task is an item with a fixed random unit code as value; it is written under the code of
    its demonstrations and asked for with another pair. Items are ranked by the cosine of what is
    read with the codes of all items ever written. Nothing is learned and no label is needed; no
    task is solved, and no solve rate can be read off this.

    `retrieval_at_1` is the share of queries whose item is ranked first, even if all items of the
    same score go before it; in `mrr` ties take the middle. Of generated episodes an item is right
    if its rule is the same, and `same_task_at_1` and `same_family_at_1` stand beside it. A real
    task is stored with all demonstrations but the last, and asked for with that, or stored with
    all and asked for with its first test pair.

    Args:
        pool: Generated episodes, or real tasks: 400 of training, 400 of evaluation, or all.
        store: One event for each task, the mean of its demonstrations, or one for each of them.
        query: Which pair of a real task is asked with.
        sigma: Noise of the encoder: of codes stored, and of queries.
        capacity: Events that the memory is built for; null for all that are written.
        order: Order of writing: as in the corpus, or drawn from the seed.
        demonstrations: Of generated episodes, k; they are asked for with k others.
        test: Generated episodes of each family.
        features: All 60 features of a pair, or the 41 basic ones.
        key_dim: Width of codes.
        value_dim: Width of the items' codes.

    Raises:
        InvalidParameter: If generated episodes are asked for with a test pair: they have none.
    """

    def __init__(
        self,
        *,
        pool: Literal["generated", "arc-training", "arc-evaluation", "arc-union"] = "generated",
        store: StoreAs = "mean",
        query: QueryPair = "last",
        sigma: Annotated[float, Ge(0)] = 0.0,
        capacity: Annotated[int, Ge(1)] | None = None,
        order: Literal["corpus", "shuffled"] = "corpus",
        demonstrations: Annotated[int, Ge(1), Le(3)] = 2,
        test: Annotated[int, Ge(1)] = 20,
        features: Literal["full", "basic"] = "full",
        key_dim: Annotated[int, Ge(2)] = 64,
        value_dim: Annotated[int, Ge(2)] = 64,
    ) -> None:
        if pool == "generated" and query == "test":
            raise InvalidParameter(
                "query",
                "is test, but generated episodes have no test pair",
                help="choose a pool of real tasks, or leave query out",
            )
        self.corpus = POOLS.get(pool)
        self.store: StoreAs = store
        self.query: QueryPair = query
        self.order = order
        self.counts = EpisodeCounts(train=0, validation=0, test=test)
        self.encoding = Encoding(demonstrations, sigma, features, key_dim)
        self.capacity = capacity
        self.key_dim, self.value_dim, self.episodes = key_dim, value_dim, 1

    @property
    @override
    def seeded(self) -> bool:
        """Whether episodes, noise or order are drawn."""
        return self.corpus is None or self.encoding.noise > 0 or self.order == "shuffled"

    @override
    def digest(self) -> str:
        """Checksum of the real tasks; empty for generated ones."""
        return "" if self.corpus is None else real.digest(self.corpus)

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the events that there is room for."""
        return self.sizes(self.capacity or self._events())

    def _events(self) -> int:
        """Events that are written."""
        if self.corpus is None:
            each = self.encoding.demos if self.store == "each" else 1
            return len(FAMILIES) * self.counts.test * each
        stored = [len(own.pairs) - (self.query == "last") for own in real.load(self.corpus)]
        return sum(stored) if self.store == "each" else len(stored)

    @override
    def samples(self, n: int, seed: int, source: Randomness) -> list[Sample]:
        """Tasks of the pool, others for another seed; generated episodes, family after family."""
        if self.corpus is not None:
            return of_pool(n, seed, self.corpus)
        return shown_episodes(n, seed, "test", self.encoding.demos, asked=True)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed."""
        data = self._data(bench)
        codes = item_codes(len(data[0].queries), self.value_dim)
        lanes = EpisodeLanes(bench, self.dictates(), 1)

        def stacked(arrays: Sequence[np.ndarray[Any, np.dtype[np.float32]]]) -> Tensor:
            return torch.from_numpy(np.stack(arrays)).to(bench.device)

        keys = stacked([own.keys for own in data])
        state = lanes.lanes.write(lanes.fresh, keys, stacked([codes[own.items] for own in data]))
        bench.progress(1, 2)
        reads = lanes.read("retrieval", state, stacked([own.queries for own in data]))
        bench.progress(2, 2)
        recalled = reads.cpu().numpy()

        def score(rows: slice) -> Outcome:
            own = data[rows.start]
            metrics = found(cosine_scores(recalled[rows.start], codes), own)
            return Outcome(metrics=metrics, n_eval=len(own.queries))

        return lanes.outcomes(score)

    def _data(self, bench: Workbench) -> list[RetrievalData]:
        """Events and queries of each seed, in the order of writing."""
        if self.corpus is None:
            raw = shared_raw_codes(bench, self.counts)
            data = [
                RetrievalData.of_episodes(raw[seed], self.encoding, seed, self.store)
                for seed in bench.seeds
            ]
        else:
            features = shared_features(bench, self.corpus)
            data = [
                RetrievalData.of_corpus(features, self.encoding, seed, self.store, self.query)
                for seed in bench.seeds
            ]
        if self.order == "corpus":
            return data
        return [
            own.in_order(bench.rng(seed, "test", "order").permutation(len(own.items)))
            for seed, own in zip(bench.seeds, data, strict=True)
        ]


POOLS: dict[str, ArcPool] = {
    "arc-training": "training",
    "arc-evaluation": "evaluation",
    "arc-union": "union",
}


def shared_features(bench: Workbench, pool: ArcPool) -> RealFeatures:
    """The features of a pool through the cache, measured at most once."""

    def build(missing: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        measured = real.real_features(pool)
        parts = {name: torch.from_numpy(part) for name, part in vars(measured).items()}
        return dict.fromkeys(missing, parts)

    key = {"made": "features of ARC-AGI-1", "pool": pool, "data": real.digest(pool)}
    kept = bench.shared(key, [0], build)[0]
    return RealFeatures(**{name: part.cpu().numpy() for name, part in kept.items()})


def found(scores: np.ndarray[Any, np.dtype[np.float64]], data: RetrievalData) -> list[Metric]:
    """What a ranking of all items by scores [M, M] finds.

    Args:
        scores: Of each item for each query.
        data: Which items are right.
    """
    items = len(data.queries)
    right = data.same("primitive" if "primitive" in data.kinds else None)
    ranks, number = Ranks.of(scores, right), right.sum(axis=1)
    metrics = []
    for k in WITHIN:
        chance = float(np.mean([chance_within(k, items, int(r)) for r in number]))
        share = float(ranks.within(k).mean())
        metrics.append(accuracy(f"retrieval_at_{k}", share, chance, primary=k == 1, answers=items))
    by_chance = None if "primitive" in data.kinds else chance_reciprocal_rank(items)
    metrics.append(accuracy("mrr", float(ranks.reciprocal().mean()), by_chance))
    if data.kinds:
        for name, same in (("task", data.same()), ("family", data.same("family"))):
            share = float(Ranks.of(scores, same).within(1).mean())
            chance = float(same.mean())
            metrics.append(accuracy(f"same_{name}_at_1", share, chance))
    return metrics
