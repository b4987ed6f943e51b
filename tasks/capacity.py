"""How many random items a memory recalls: one pass of writes with reads at check-points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from bench.registry import task
from memories.base import InvalidParameter, State, state_floats
from tasks.association.keys import at_cosine, correlated_keys, orthogonal_to, unit_keys
from tasks.association.load_pass import reads_at
from tasks.association.recall import (
    bits_per_item,
    code_sequence,
    codebooks,
    cosines,
    first_crossing,
    hits,
)
from tasks.association.recall_metrics import capacity_step
from tasks.association.storage import mark_storage
from tasks.association.task import AssociativeTask
from tasks.base import Lanes, Metric, Outcome, Workbench

FEW_ITEMS = 512
"""Up to this load every seed averages over `episodes`; beyond it one episode is enough."""
THRESHOLDS = (0.5, 0.9, 0.99)
PRIMARY_THRESHOLD = 0.9


@dataclass(frozen=True)
class _Stream:
    """Events of all lanes of a pass; `key_of[e]` is the key (0-based) that event e writes."""

    keys: Tensor  # [S, K, D]
    queries: Tensor  # [S, K, D]
    codes: Tensor  # [S, E]
    key_of: Tensor  # [E]
    codebook: Tensor  # [S, P, V]
    ends: tuple[int, ...]  # events written at each load


@dataclass
class _Curves:
    """Per lane, one entry per load: [S, loads]."""

    acc_code: list[Tensor]
    acc_stored: list[Tensor]
    cosine: list[Tensor]
    by_lag: list[tuple[int, Tensor]]
    finite: list[Tensor]


@task("capacity", family="associative", source="Kohonen 1972; Ramsauer et al. 2020")
class Capacity(AssociativeTask):
    """How many key-value pairs a memory recalls, as a curve over the number stored.

    Keys are random unit vectors, values are codes of a pool of unit vectors; every stored key is
    queried and the read decoded over the whole pool (`acc_code`, the headline) or over the values
    written so far (`acc_stored`). `capacity_90` is the largest number of items at which the
    accuracy, made non-increasing, still reaches 0.9.

    Conditions: ``iid``; ``correlated`` keys (expected cosine `key_cosine`); ``noisy`` queries (at
    cosine `query_cosine` to the stored key); ``overwrite`` (half of the keys rewritten with a new
    value, the last one counts).

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        loads: Numbers of stored items at which the memory is read, increasing.
        condition: Which of the four streams.
        key_cosine: Expected cosine between keys, ``correlated`` only.
        query_cosine: Cosine between a query and its key, ``noisy`` only.
        pool: Number of value codes; chance is 1/pool.
        episodes: Independent streams per seed for loads up to 512; one beyond.
        key_dim: Width of keys.
        value_dim: Width of values.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        loads: tuple[Annotated[int, Ge(1)], ...] = (8, 16, 32, 64, 128, 256, 512),
        condition: Literal["iid", "correlated", "noisy", "overwrite"] = "iid",
        key_cosine: Annotated[float, Gt(0), Lt(1)] = 0.3,
        query_cosine: Annotated[float, Gt(0), Le(1)] = 0.8,
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        if not loads or any(b <= a for a, b in pairwise(loads)):
            raise InvalidParameter("loads", f"must be increasing, got {list(loads)}")
        self.loads = tuple(loads)
        self.condition = condition
        self.key_cosine = key_cosine
        self.query_cosine = query_cosine
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim

    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the number of events of the longest pass."""
        return self._dictates(self.loads)

    def _dictates(self, loads: tuple[int, ...]) -> dict[str, int]:
        return self.sizes(self._ends(loads)[-1])

    def _ends(self, loads: tuple[int, ...]) -> tuple[int, ...]:
        """Events written when each load is reached."""
        if self.condition != "overwrite":
            return loads
        ends, written, stored = [], 0, 0
        for load in loads:
            new = load - stored
            written += new + new // 2
            stored = load
            ends.append(written)
        return tuple(ends)

    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed: curves over the load and the capacities read off them."""
        few = tuple(n for n in self.loads if n <= FEW_ITEMS)
        many = tuple(n for n in self.loads if n > FEW_ITEMS)
        passes = [(few, self.episodes), (many, 1)]
        results = []
        for loads, count in passes:
            if loads:
                dictated = self._dictates(loads)
                lanes = bench.lanes([dictated] * len(bench.seeds))
                results.append(self._pass(bench, lanes.repeat(count), loads, count))
        outcomes = [self._outcome([r[seed] for r in results]) for seed in range(len(bench.seeds))]
        mark_storage(outcomes, bench, lanes, dictated)
        return outcomes

    def _pass(
        self, bench: Workbench, lanes: Lanes, loads: tuple[int, ...], episodes: int
    ) -> list[_SeedCurves]:
        """Write one stream per seed and episode up to the last load, reading at every load."""
        generators = [
            bench.torch_rng(seed, "test", "episode", episode)
            for seed in bench.seeds
            for episode in range(episodes)
        ]
        stream = self._stream(generators, loads, bench.device)
        curves, floats = self._drive(bench, lanes, stream, loads)
        return [
            _SeedCurves(loads, episodes, floats, curves, slice(s * episodes, (s + 1) * episodes))
            for s in range(len(bench.seeds))
        ]

    def _stream(
        self, generators: list[torch.Generator], loads: tuple[int, ...], device: torch.device
    ) -> _Stream:
        keys, queries, codes = [], [], []
        n_keys, ends = loads[-1], self._ends(loads)
        key_of = self._key_of(loads)
        for generator in generators:
            if self.condition == "correlated":
                keys.append(correlated_keys(generator, n_keys, self.key_dim, self.key_cosine))
            else:
                keys.append(unit_keys(generator, n_keys, self.key_dim))
            query = keys[-1]
            if self.condition == "noisy":
                query = at_cosine(query, orthogonal_to(generator, query), self.query_cosine)
            queries.append(query)
            drawn = code_sequence(generator, ends[-1], self.pool)
            codes.append(_distinct_rewrites(drawn, key_of, self.pool))
        book = codebooks(generators, self.pool, self.value_dim)
        return _Stream(
            torch.stack(keys).to(device),
            torch.stack(queries).to(device),
            torch.stack(codes).to(device),
            key_of.to(device),
            book.to(device),
            ends,
        )

    def _key_of(self, loads: tuple[int, ...]) -> Tensor:
        """Key written by each event: the new keys of a load, then every second one again."""
        order: list[int] = []
        stored = 0
        for load in loads:
            new = list(range(stored, load))
            order += new
            if self.condition == "overwrite":
                order += new[1::2]
            stored = load
        return torch.tensor(order)

    def _drive(
        self, bench: Workbench, lanes: Lanes, stream: _Stream, loads: tuple[int, ...]
    ) -> tuple[_Curves, float]:
        fresh = lanes.init_state()
        floats = state_floats({name: entry[0] for name, entry in fresh.items()})
        curves = _Curves([], [], [], [], [])
        write = partial(self._write, lanes, stream)
        for load, end, reads in reads_at(
            lanes, write, stream.queries, loads, stream.ends, self.value_dim
        ):
            self._score(curves, reads, stream, load, end, last=load == loads[-1])
            bench.progress(end, stream.ends[-1])
        return curves, floats

    def _write(self, lanes: Lanes, stream: _Stream, state: State, start: int, end: int) -> State:
        keys = stream.keys[:, stream.key_of[start:end]]
        codes = stream.codes[:, start:end, None].expand(-1, -1, self.value_dim)
        return lanes.write(state, keys, stream.codebook.gather(1, codes))

    def _score(
        self, curves: _Curves, reads: Tensor, stream: _Stream, load: int, end: int, *, last: bool
    ) -> None:
        curves.finite.append(reads.isfinite().all(-1).all(-1))
        reads = reads.nan_to_num(0.0, 0.0, 0.0)
        events = torch.arange(end, device=reads.device)
        newest = torch.zeros(load, dtype=torch.long, device=reads.device)
        newest = newest.scatter_reduce(0, stream.key_of[:end], events, "amax")
        targets = stream.codes[:, newest]
        stored = torch.zeros(
            reads.shape[0], self.pool, dtype=torch.bool, device=reads.device
        ).scatter(1, stream.codes[:, :end], value=True)
        correct = hits(reads, stream.codebook, targets)
        curves.acc_code.append(correct.mean(-1))
        curves.acc_stored.append(hits(reads, stream.codebook, targets, stored).mean(-1))
        curves.cosine.append(cosines(reads, stream.codebook, targets).mean(-1))
        if last:
            lags = end - 1 - newest
            curves.by_lag = [
                (low, correct[:, inside].mean(-1)) for low, inside in _lag_buckets(lags)
            ]

    def _outcome(self, passes: list[_SeedCurves]) -> Outcome:
        bad = [load for p in passes for load in p.nonfinite_loads()]
        if bad:
            return Outcome("nonfinite", f"first non-finite read with {bad[0]} stored items")
        loads = [load for p in passes for load in p.loads]
        curve = [value for p in passes for value in p.mean("acc_code")]
        metrics, censored = self._capacities(loads, curve)
        for name, chance in (("acc_code", 1 / self.pool), ("acc_stored", None), ("cosine", 0.0)):
            values = [v for p in passes for v in p.mean(name)]
            metrics.append(_recall(f"{name}_mean", sum(values) / len(values), chance))
            metrics += [_recall(name, v, chance, n) for n, v in zip(loads, values, strict=True)]
        for lag, value in passes[-1].by_lag():
            metrics.append(_recall("acc_code_by_lag", value, 1 / self.pool, lag))
        if passes[-1].floats:
            best = max(
                load * bits_per_item(accuracy, self.pool) / p.floats
                for p in passes
                for load, accuracy in zip(p.loads, p.mean("acc_code"), strict=True)
            )
            metrics.append(Metric("bits_per_float", best, "higher", "bits", bounds=(0.0, None)))
        n_eval = sum(sum(p.loads) * p.episodes for p in passes)
        return Outcome(metrics=metrics, n_eval=n_eval, notes=_notes(censored, loads))

    def _episodes_at(self, load: int) -> int:
        return self.episodes if load <= FEW_ITEMS else 1

    def _capacities(
        self, loads: list[int], curve: list[float]
    ) -> tuple[list[Metric], dict[str, str]]:
        """Capacity at each threshold, and which of them are censored on which side."""
        metrics, censored = [], {}
        bounds = (0.0, float(loads[-1]))
        for threshold in THRESHOLDS:
            name = f"capacity_{round(100 * threshold)}"
            value, how = first_crossing(loads, curve, threshold)
            if how:
                censored[name] = how
            primary = threshold == PRIMARY_THRESHOLD
            metrics.append(
                Metric(
                    name, value, "higher", "items", primary=primary, bounds=bounds,
                    resolution=capacity_step(loads, self._episodes_at),
                )
            )  # fmt: skip
        return metrics, censored


def _notes(censored: dict[str, str], loads: list[int]) -> dict[str, Any]:
    """Which capacities lie outside the loads that were tried, and a sentence for the headline."""
    notes: dict[str, Any] = {"censored": censored}
    side = censored.get(f"capacity_{round(100 * PRIMARY_THRESHOLD)}")
    if side == "right":
        notes["warnings"] = [
            f"still recalls {PRIMARY_THRESHOLD:.0%} at {loads[-1]} items, the largest load: "
            "its capacity is at least that"
        ]
    elif side == "left":
        notes["warnings"] = [
            f"recalls less than {PRIMARY_THRESHOLD:.0%} already at {loads[0]} items, the smallest "
            "load: its capacity counts as 0"
        ]
    return notes


def _recall(name: str, value: float, chance: float | None, x: float | None = None) -> Metric:
    """An accuracy or a cosine, both at most 1."""
    low = -1.0 if name.startswith("cosine") else 0.0
    return Metric(name, value, "higher", x=x, bounds=(low, 1.0), chance=chance, ceiling=1.0)


@dataclass
class _SeedCurves:
    """The curves of one seed in one pass: its episodes are rows of the pass's lanes."""

    loads: tuple[int, ...]
    episodes: int
    floats: float
    curves: _Curves
    rows: slice

    def nonfinite_loads(self) -> list[int]:
        finite = [bool(at_load[self.rows].all()) for at_load in self.curves.finite]
        return [load for load, fine in zip(self.loads, finite, strict=True) if not fine]

    def mean(self, name: str) -> list[float]:
        values: list[Tensor] = getattr(self.curves, name)
        return [float(v[self.rows].double().mean()) for v in values]

    def by_lag(self) -> list[tuple[int, float]]:
        return [(low, float(v[self.rows].double().mean())) for low, v in self.curves.by_lag]


def _distinct_rewrites(codes: Tensor, key_of: Tensor, pool: int) -> Tensor:
    """Codes in which no rewrite repeats the value it replaces (possible beyond one permutation)."""
    if len(torch.unique(key_of)) == len(key_of):
        return codes
    newest: dict[int, int] = {}
    distinct = codes.tolist()
    for event, key in enumerate(key_of.tolist()):
        if newest.get(key) == distinct[event]:
            distinct[event] = (distinct[event] + 1) % pool
        newest[key] = distinct[event]
    return torch.tensor(distinct)


def _lag_buckets(lags: Tensor) -> list[tuple[int, Tensor]]:
    """Buckets [0], [1], [2, 3], [4, 7], ... that hold a lag: lower edge and members."""
    buckets = []
    low, high = 0, 0
    while low <= int(lags.max()):
        inside = (lags >= low) & (lags <= high)
        if bool(inside.any()):
            buckets.append((low, inside))
        low = high + 1
        high = 2 * high + 1 if high else 1
    return buckets
