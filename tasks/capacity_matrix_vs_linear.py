"""Slots against a matrix of the same number of floats, and two tests that claimed a winner."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter, State
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.keys import draw_keys, unit_keys
from tasks.association.load_pass import reads_at
from tasks.association.patterns import N_FIXED, NAMES, WIDTH, likeness, stepwise, structures
from tasks.association.recall import bits_per_item, code_sequence, cosines, first_crossing, hits
from tasks.association.recall_metrics import accuracy, capacity_step, cosine
from tasks.association.task import AssociativeTask
from tasks.base import Curriculum, Metric, Outcome, Workbench

THRESHOLDS = (0.5, 0.9)
PRIMARY_THRESHOLD = 0.9
FAITHFUL_LOADS = tuple(range(10, 81, 10))
SUCCESS = 0.9
"""Cosine above which a pattern counts as recalled."""


@task("capacity-matrix-vs-linear", family="associative", source="Kohonen 1972; Schlag et al. 2021")
class CapacityMatrixVsLinear(AssociativeTask):
    """Capacity of slots and of matrices under one protocol, to be compared at equal state.

    ``contrast``, the default: N pairs with values from a pool of codes, written in one pass and
    all read at every load, as decoding accuracy and as cosine. `capacity_90` is the load at which
    the accuracy falls below .9, `capacity_cosine_90` the one at which the cosine does. With D = V
    and D^2 floats, M = D/2 slots hold D/2 pairs; the sum of outer products has cosine
    1/sqrt(1 + (N-1)/D), which is .9 at N = 1 + .2346 D; the delta rule holds D orthonormal pairs.
    Give the suite's task a budget to size the memories.

    ``faithful``: patterns of 8 x 8 cells that are their own keys, and the share of them that comes
    back with a cosine above .9. It has been read as the advantage of matrices over vectors, but
    its patterns are neither of equal length nor orthogonal (rows and columns have cosine 1/8), and
    a memory that returns its query scores 1. ``structure``: five structured patterns, also their
    own keys, in random order; cosine, correlation over cells, and the share of cells above 1/2
    that stay there. Both say how faithfully an input is passed on, not how much is stored.

    Args:
        test: Which of the three.
        dim: Width of keys and values where `key_dim` or `value_dim` is not given; 64 for patterns.
        loads: Numbers of stored pairs at which the memory is read, increasing; ``contrast`` only.
        key_dist: ``unit`` or ``orthonormal`` keys, ``contrast`` only. As there are D orthonormal
            keys and no more, loads beyond D are replaced by D.
        pool: Number of value codes; chance is 1/pool.
        episodes: Independent streams per seed.
        key_dim: Width of keys.
        value_dim: Width of values.

    Raises:
        InvalidParameter: If loads do not increase, or patterns are asked for at another width.
    """

    def __init__(
        self,
        *,
        test: Literal["contrast", "faithful", "structure"] = "contrast",
        dim: Annotated[int, Ge(2)] = 64,
        loads: tuple[Annotated[int, Ge(1)], ...] = (
            1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512,
        ),
        key_dist: Literal["unit", "orthonormal"] = "unit",
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:  # fmt: skip
        if not loads or any(b <= a for a, b in pairwise(loads)):
            raise InvalidParameter("loads", f"must be increasing, got {list(loads)}")
        self.test = test
        self.key_dist: Literal["unit", "orthonormal"] = key_dist
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim
        self.loads = tuple(loads)
        if test == "contrast" and key_dist == "orthonormal" and loads[-1] > self.key_dim:
            self.loads = (*(n for n in loads if n < self.key_dim), self.key_dim)
        if test != "contrast" and (self.key_dim, self.value_dim) != (WIDTH, WIDTH):
            raise InvalidParameter(
                "dim", f"patterns have {WIDTH} cells, got {self.key_dim} and {self.value_dim}",
                f"leave it at {WIDTH}",
            )  # fmt: skip
        if test == "faithful":
            self.loads = FAITHFUL_LOADS
        elif test == "structure":
            self.loads = (len(NAMES),)

    @override
    def requires(self) -> frozenset[str]:
        """Values that differ from their keys; none where patterns are their own keys."""
        return super().requires() if self.test == "contrast" else frozenset()

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the events of the largest load."""
        return self.sizes(self.loads[-1])

    @override
    def curriculum(self) -> Curriculum | None:
        """Pairs of this size; None where patterns are their own keys."""
        return super().curriculum() if self.test == "contrast" else None

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        tests = {
            "contrast": self._contrast,
            "faithful": self._faithful,
            "structure": self._structure,
        }
        return episodes.outcomes(tests[self.test](bench, episodes))

    def _reads(
        self, bench: Workbench, episodes: EpisodeLanes, keys: Tensor, values: Tensor
    ) -> list[Tensor]:
        """Reads [S, load, V] at each load of events that are queried with their own keys."""

        def write(state: State, start: int, end: int) -> State:
            return episodes.lanes.write(state, keys[:, start:end], values[:, start:end])

        reads = []
        for load, _, read in reads_at(
            episodes.lanes, write, keys, self.loads, self.loads, self.value_dim
        ):
            reads.append(episodes.checked(f"{load} items", read))
            bench.progress(load, self.loads[-1])
        return reads

    def _contrast(self, bench: Workbench, episodes: EpisodeLanes) -> Callable[[slice], Outcome]:
        def pairs(generator: torch.Generator) -> tuple[Tensor, ...]:
            keys = draw_keys(self.key_dist, generator, self.loads[-1], self.key_dim, 0.0)
            book = unit_keys(generator, self.pool, self.value_dim)
            codes = code_sequence(generator, self.loads[-1], self.pool)
            return keys, book[codes], book, codes

        keys, values, book, codes = episodes.draw(pairs)
        acc, cos = [], []
        for reads in self._reads(bench, episodes, keys, values):
            asked = codes[:, : reads.shape[1]]
            acc.append(hits(reads, book, asked))
            cos.append(cosines(reads, book, asked))

        def outcome(rows: slice) -> Outcome:
            curves = {
                "acc_code": [mean(values, rows) for values in acc],
                "cosine": [mean(values, rows) for values in cos],
            }
            return self._capacities(curves, episodes.floats)

        return outcome

    def _capacities(self, curves: dict[str, list[float]], floats: float) -> Outcome:
        """Curves, the capacities read off them, and what they are per dimension and per float."""
        censored: dict[str, str] = {}
        metrics: list[Metric] = []
        for curve, prefix in (("acc_code", "capacity"), ("cosine", "capacity_cosine")):
            for threshold in THRESHOLDS:
                name = f"{prefix}_{round(100 * threshold)}"
                value, side = first_crossing(list(self.loads), curves[curve], threshold)
                if side:
                    censored[name] = side
                primary = name == f"capacity_{round(100 * PRIMARY_THRESHOLD)}"
                metrics.append(
                    Metric(
                        name, value, "higher", "items", primary=primary,
                        bounds=(0.0, float(self.loads[-1])),
                        resolution=capacity_step(self.loads, lambda _: self.episodes),
                    )
                )  # fmt: skip
                if primary:
                    metrics += self._relative(value, floats)
        for load, acc, cos in zip(self.loads, curves["acc_code"], curves["cosine"], strict=True):
            metrics.append(accuracy("acc_code", acc, 1 / self.pool, x=load))
            metrics.append(cosine("cosine", cos, x=load))
        if floats:
            best = max(
                load * bits_per_item(acc, self.pool) / floats
                for load, acc in zip(self.loads, curves["acc_code"], strict=True)
            )
            metrics.append(Metric("bits_per_float", best, "higher", "bits", bounds=(0.0, None)))
        return self._outcome(metrics, {"censored": censored, "loads": list(self.loads)})

    def _relative(self, capacity: float, floats: float) -> list[Metric]:
        """The capacity per key dimension, and per 1,000 floats of state where there are any."""
        per = {"capacity_per_dim": self.key_dim, "capacity_per_1000_floats": floats / 1000}
        return [
            Metric(name, capacity / size, "higher", "items", bounds=(0.0, None))
            for name, size in per.items()
            if size
        ]

    def _faithful(self, bench: Workbench, episodes: EpisodeLanes) -> Callable[[slice], Outcome]:
        def drawn(generator: torch.Generator) -> tuple[Tensor, ...]:
            return (torch.randn(self.loads[-1] - N_FIXED, WIDTH, generator=generator),)

        patterns = stepwise(*episodes.draw(drawn))
        index = torch.arange(patterns.shape[1], device=patterns.device)
        success = [
            cosines(reads, patterns, index[: reads.shape[1]].expand(reads.shape[0], -1)) > SUCCESS
            for reads in self._reads(bench, episodes, patterns, patterns)
        ]

        def outcome(rows: slice) -> Outcome:
            shares = [mean(values, rows) for values in success]
            metrics = [
                accuracy(
                    "success_mean",
                    sum(shares) / len(shares),
                    None,
                    primary=True,
                    answers=len(shares) * max(self.loads) * self.episodes,
                ),
                *(
                    accuracy("success", share, None, x=load)
                    for load, share in zip(self.loads, shares, strict=True)
                ),
            ]
            return self._outcome(metrics, {})

        return outcome

    def _structure(self, bench: Workbench, episodes: EpisodeLanes) -> Callable[[slice], Outcome]:
        def shuffled(generator: torch.Generator) -> tuple[Tensor, ...]:
            order = torch.randperm(len(NAMES), generator=generator)
            return structures()[order], order.argsort()

        patterns, place = episodes.draw(shuffled)
        (reads,) = self._reads(bench, episodes, patterns, patterns)
        place = place[..., None].expand_as(reads)
        scores = likeness(reads.gather(1, place), patterns.gather(1, place))

        def outcome(rows: slice) -> Outcome:
            metrics = [
                accuracy("peak_overlap_mean", mean(scores["peak_overlap"], rows), None),
                cosine("pearson_mean", mean(scores["pearson"], rows)),
                cosine(
                    "frobenius_cosine_mean", mean(scores["frobenius_cosine"], rows), primary=True
                ),
            ]
            for k in range(len(NAMES)):
                at = {name: mean(values[:, k], rows) for name, values in scores.items()}
                metrics.append(accuracy("peak_overlap", at["peak_overlap"], None, x=k + 1))
                metrics.append(cosine("pearson", at["pearson"], x=k + 1))
                metrics.append(cosine("frobenius_cosine", at["frobenius_cosine"], x=k + 1))
            return self._outcome(metrics, {"patterns": list(NAMES)})

        return outcome

    def _outcome(self, metrics: list[Metric], notes: dict[str, Any]) -> Outcome:
        return Outcome(metrics=metrics, n_eval=sum(self.loads) * self.episodes, notes=notes)
