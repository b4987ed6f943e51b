"""Multi-query associative recall with vectors for tokens: no sequence model, no training."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.keys import unit_keys
from tasks.association.recall import bits_per_item, cosines, hits
from tasks.association.recall_metrics import accuracy, cosine
from tasks.association.task import AssociativeTask
from tasks.base import Metric, Outcome, Workbench


@task("mqar-vectors", family="associative", source="Arora et al. 2023")
class MqarVectors(AssociativeTask):
    """Multi-query associative recall (MQAR) over vectors: what a memory alone can do of it.

    Keys and values are codes, unit vectors of two random vocabularies of M. N pairs are written,
    in a fresh random order in each pass; then `rewrites` of the keys get another value, which is
    the one that counts. All N keys are queried once, in random order, and a read is decoded over
    all M values: `accuracy`, chance 1/M. `accuracy_by_gap` is the same over the number of events
    that were written after the pair, in octaves (the lower edge is given).

    With rewrites, `accuracy_rewritten` and `accuracy_kept` tell rewritten keys from the others,
    and `stale` is the share of rewritten keys answered with their old value.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Pairs N.
        rewrites: Distinct keys that are written again with a new value.
        passes: How often the pairs are written before that.
        pool: Size M of both vocabularies; chance is 1/pool.
        episodes: Independent sequences per seed.
        key_dim: Width of keys.
        value_dim: Width of values.

    Raises:
        InvalidParameter: If more keys are rewritten than written, or there are too few codes for
            all values to differ.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(1)] = 64,
        rewrites: Annotated[int, Ge(0)] = 0,
        passes: Annotated[int, Ge(1)] = 1,
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        if rewrites > items:
            raise InvalidParameter(
                "rewrites", f"must be at most items ({items}), got {rewrites}", "lower rewrites"
            )
        if items + rewrites > pool:
            raise InvalidParameter(
                "items", f"{items} pairs and {rewrites} rewrites need {items + rewrites} codes",
                "raise pool",
            )  # fmt: skip
        self.items = items
        self.rewrites = rewrites
        self.passes = passes
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys and values, and the events of all passes and rewrites."""
        return self.sizes(self.passes * self.items + self.rewrites)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        keys, values, queries, book, targets, old, gaps = episodes.draw(self._sequence)
        state = episodes.lanes.write(episodes.fresh, keys, values)
        bench.progress(1, 2)
        reads = episodes.read("recall", state, queries)
        bench.progress(2, 2)
        scores = {
            "accuracy": hits(reads, book, targets),
            "cosine": cosines(reads, book, targets),
            "stale": hits(reads, book, old),
            "rewritten": old != targets,
            "gap": gaps,
        }
        return episodes.outcomes(lambda rows: self._outcome(scores, rows, episodes.floats))

    def _sequence(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Events, queries, values' vocabulary; per query the code, the old code and the gap."""
        keys = unit_keys(generator, self.pool, self.key_dim)
        book = unit_keys(generator, self.pool, self.value_dim)
        asked = torch.randperm(self.pool, generator=generator)[: self.items]
        drawn = torch.randperm(self.pool, generator=generator)[: self.items + self.rewrites]
        old, new = drawn[: self.items], drawn[self.items :]
        orders = [torch.randperm(self.items, generator=generator) for _ in range(self.passes)]
        again = torch.randperm(self.items, generator=generator)[: self.rewrites]
        pair_of = torch.cat([*orders, again])
        written = torch.cat([old[torch.cat(orders)], new])
        # every pair's last event: later ones overwrite what earlier ones left
        last = torch.zeros(self.items, dtype=torch.int64)
        last = last.scatter_reduce(0, pair_of, torch.arange(len(pair_of)), "amax")
        shuffled = torch.randperm(self.items, generator=generator)
        targets, gaps = written[last], len(pair_of) - 1 - last
        return (
            keys[asked[pair_of]], book[written], keys[asked[shuffled]], book,
            targets[shuffled], old[shuffled], gaps[shuffled],
        )  # fmt: skip

    def _outcome(self, scores: dict[str, Tensor], rows: slice, floats: float) -> Outcome:
        right, rewritten, chance = scores["accuracy"], scores["rewritten"], 1 / self.pool
        overall = mean(right, rows)
        metrics = [
            accuracy("accuracy", overall, chance, primary=True, answers=self.items * self.episodes),
            cosine("cosine", mean(scores["cosine"], rows)),
        ]
        for name, members in (("rewritten", rewritten), ("kept", ~rewritten)):
            if self.rewrites and bool(members[rows].any()):
                within = float(right[rows][members[rows]].double().mean())
                metrics.append(accuracy(f"accuracy_{name}", within, chance))
        if self.rewrites:
            stale = float(scores["stale"][rows][rewritten[rows]].double().mean())
            metrics.append(Metric("stale", stale, "lower", bounds=(0.0, 1.0), chance=chance))
        metrics += self._by_gap(right[rows], scores["gap"][rows])
        if floats:
            bits = self.items * bits_per_item(overall, self.pool) / floats
            metrics.append(Metric("bits_per_float", bits, "higher", "bits", bounds=(0.0, None)))
        return Outcome(metrics=metrics, n_eval=self.items * self.episodes)

    def _by_gap(self, right: Tensor, gaps: Tensor) -> list[Metric]:
        """Accuracy over gaps 0, 1, 2 to 3, 4 to 7, ..., named by the lower edge."""
        octaves = torch.where(gaps > 0, (gaps + 0.5).log2().floor().long() + 1, 0)
        metrics = []
        for octave in torch.unique(octaves).tolist():
            within = float(right[octaves == octave].double().mean())
            edge = 2 ** (octave - 1) if octave else 0
            metrics.append(accuracy("accuracy_by_gap", within, 1 / self.pool, x=edge))
        return metrics
