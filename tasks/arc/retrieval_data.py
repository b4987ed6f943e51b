"""Tasks to be found again: events under the codes of their demonstrations, queries with others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.arc.codes import PAIRS, PRIMITIVES, Raw
from tasks.arc.episodes import SPLITS
from tasks.arc.real import QueryPair, RealFeatures, StoreAs
from tasks.arc.retrieval_ranks import Flags
from tasks.arc.routing_events import Counts, Encoding, noise_rng

Codes = npt.NDArray[np.float32]

ITEM_SEED = 4321
"""Seed of the items' codes, the same for all data."""
STORED, ASKED = 101, 102
"""Streams of the noise of real tasks, apart from those of splits."""


def item_codes(items: int, dim: int) -> Codes:
    """Fixed random unit codes [M, V] of items, that of an item whatever others there are."""
    drawn = np.random.default_rng(ITEM_SEED).standard_normal((items, dim))
    unit: Codes = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


@dataclass(frozen=True)
class RetrievalData:
    """M items, N events that tell of them, and one query for each item.

    Attributes:
        keys: Codes of the events, float32 [N, d].
        items: Which item each event tells of, [N].
        queries: Codes [M, d].
        kinds: What items may share beside being the same, by name, [M] each.
    """

    keys: Codes
    items: Counts
    queries: Codes
    kinds: Mapping[str, Counts]

    def same(self, kind: str | None = None) -> Flags:
        """Which items are right for each query, [M, M]: its own, or all of the same kind."""
        if kind is None:
            return np.eye(len(self.queries), dtype=bool)
        of_item = self.kinds[kind]
        same: Flags = of_item[:, None] == of_item
        return same

    def in_order(self, rows: Counts) -> RetrievalData:
        """The same with events in another order."""
        return RetrievalData(self.keys[rows], self.items[rows], self.queries, self.kinds)

    @classmethod
    def of_episodes(cls, raw: Raw, encoding: Encoding, seed: int, store: StoreAs) -> RetrievalData:
        """Test episodes: stored with their demonstrations, asked for with the pairs behind."""
        pairs = raw[f"test/{PAIRS}"].astype(np.float32)
        families, n = pairs.shape[:2]
        family = np.repeat(np.arange(families, dtype=np.int64), n)
        primitive = raw[f"test/{PRIMITIVES}"].astype(np.int64).reshape(-1)
        told, width = pairs, encoding
        each = encoding.demos if store == "each" else 1
        if store == "each":
            told = pairs[:, :, : encoding.demos].reshape(families, n * each, 1, -1)
            width = Encoding(1, encoding.noise, encoding.features, encoding.dim)
        keys = width.codes(told, seed, "test").reshape(-1, encoding.dim)
        queries = encoding.codes(pairs, seed, "test", held=True).reshape(-1, encoding.dim)
        items = np.repeat(np.arange(families * n, dtype=np.int64), each)
        kinds = {"primitive": primitive, "family": family}
        return cls(keys.astype(np.float32), items, queries.astype(np.float32), kinds)

    @classmethod
    def of_corpus(
        cls, features: RealFeatures, encoding: Encoding, seed: int, store: StoreAs, query: QueryPair
    ) -> RetrievalData:
        """Real tasks: stored with their demonstrations, asked for with the last or a test pair."""
        told, items = features.stored(query, store)
        keys = encoding.encode(told, noise_rng(seed, len(SPLITS), STORED))
        queries = encoding.encode(features.queries(query), noise_rng(seed, len(SPLITS), ASKED))
        return cls(keys.astype(np.float32), items, queries.astype(np.float32), {})
