"""Write pairs, ask for each: the plainest task of recall."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor
from torch.nn.functional import normalize
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.keys import KeyDist, draw_keys, noisy, unit_keys
from tasks.association.recall import (
    bits_per_item,
    chance_reciprocal_rank,
    code_sequence,
    cosines,
    hits,
    reciprocal_ranks,
)
from tasks.association.recall_metrics import accuracy, cosine
from tasks.association.task import AssociativeTask
from tasks.base import Metric, Outcome, Workbench


@task("pair-recall", family="associative", source="Kohonen 1972; Anderson 1972")
class PairRecall(AssociativeTask):
    """Recall of N pairs after all of them were written, each key queried once.

    Values are codes of a pool of unit vectors; a read is decoded over the whole pool (`acc_code`,
    the headline, chance 1/pool) or over the N values written (`acc_stored`, chance 1/N). With
    Gaussian values there is no pool: the cosine is the headline and ranks are those among the
    stored values. ``dim: 32, key_dist: gauss, values: gauss, episodes: 1`` is the bare test that
    is often seen: one draw of 20 pairs, scored by their cosine.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Pairs N.
        noise: Noise of the queries relative to the key; the cosine between them is about
            1/sqrt(1 + noise^2).
        key_dist: ``unit``, ``gauss`` (not normalised), ``orthonormal`` or ``correlated`` keys.
        key_cosine: Expected cosine between keys, ``correlated`` only.
        values: ``codes`` of the pool without repetition, or ``gauss``, not normalised.
        pool: Number of value codes, ``codes`` only.
        episodes: Independent lists per seed.
        key_dim: Width of keys.
        value_dim: Width of values.

    Raises:
        InvalidParameter: If there are more orthonormal keys than dimensions, or more items than
            codes.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(1)] = 20,
        noise: Annotated[float, Ge(0)] = 0.0,
        key_dist: KeyDist = "unit",
        key_cosine: Annotated[float, Gt(0), Lt(1)] = 0.3,
        values: Literal["codes", "gauss"] = "codes",
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        self.items = items
        self.noise = noise
        self.key_dist: KeyDist = key_dist
        self.key_cosine = key_cosine
        self.values = values
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim
        if key_dist == "orthonormal" and items > self.key_dim:
            raise InvalidParameter(
                "items",
                f"there are no {items} orthonormal keys of width {self.key_dim}",
                "lower items, or raise dim",
            )
        if values == "codes" and items > pool:
            raise InvalidParameter("items", f"{items} items need {items} codes", "raise pool")

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the number of pairs."""
        return self.sizes(self.items)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        keys, queries, values, book, codes = episodes.draw(self._pairs)
        state = episodes.lanes.write(episodes.fresh, keys, values)
        bench.progress(1, 2)
        reads = episodes.read("recall", state, queries)
        bench.progress(2, 2)
        own = torch.arange(self.items, device=reads.device).expand(reads.shape[0], -1)
        scores = {
            "acc_stored": hits(reads, normalize(values, dim=-1), own),
            "cosine": cosines(reads, values, own),
            "mse": (reads - values).square().mean(-1),
            "mrr": reciprocal_ranks(reads, book, codes),
        }
        if self.values == "codes":
            scores["acc_code"] = hits(reads, book, codes)
        return episodes.outcomes(lambda rows: self._outcome(scores, rows, episodes.floats))

    def _pairs(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Keys, queries, values, the unit vectors that reads are ranked among, and their codes."""
        keys = draw_keys(self.key_dist, generator, self.items, self.key_dim, self.key_cosine)
        queries = noisy(generator, keys, self.noise)
        if self.values == "gauss":
            values = torch.randn(self.items, self.value_dim, generator=generator)
            return keys, queries, values, normalize(values, dim=-1), torch.arange(self.items)
        book = unit_keys(generator, self.pool, self.value_dim)
        codes = code_sequence(generator, self.items, self.pool)
        return keys, queries, book[codes], book, codes

    def _outcome(self, scores: dict[str, Tensor], rows: slice, floats: float) -> Outcome:
        means = {name: mean(values, rows) for name, values in scores.items()}
        coded = self.values == "codes"
        ranked = self.pool if coded else self.items
        metrics = [
            accuracy("acc_stored", means["acc_stored"], 1 / self.items),
            cosine("cosine", means["cosine"], primary=not coded),
            Metric("mse", means["mse"], "lower", bounds=(0.0, None)),
            accuracy("mrr", means["mrr"], chance_reciprocal_rank(ranked)),
        ]
        if coded:
            answers = self.items * self.episodes
            metrics.insert(
                0,
                accuracy(
                    "acc_code", means["acc_code"], 1 / self.pool, primary=True, answers=answers
                ),
            )
            metrics += self._information(means["acc_code"], floats)
        return Outcome(metrics=metrics, n_eval=self.items * self.episodes)

    def _information(self, acc_code: float, floats: float) -> list[Metric]:
        """Bits per item, and per float of state where the memory has any."""
        bits = bits_per_item(acc_code, self.pool)
        most = math.log2(self.pool)
        found = [
            Metric(
                "bits_per_item", bits, "higher", "bits",
                bounds=(0.0, most), chance=0.0, ceiling=most,
            )
        ]  # fmt: skip
        if floats:
            per_float = self.items * bits / floats
            found.append(Metric("bits_per_float", per_float, "higher", "bits", bounds=(0.0, None)))
        return found
