"""The same keys with other values in other contexts, asked for in each of them."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter
from tasks.association.contexts import list_contexts
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.keys import unit_keys
from tasks.association.recall import code_sequence, cosines, hits
from tasks.association.recall_metrics import accuracy, cosine, difference
from tasks.association.task import AssociativeTask
from tasks.base import Outcome, Workbench


@task("context-reinstatement", family="associative", source="Godden & Baddeley 1975; Smith 1979")
class ContextReinstatement(AssociativeTask):
    """Recall of keys that have another value in every context, with the context given back.

    Every key is written once in each context, all events in random order; contexts are
    orthonormal, those of the events lie .1 beside them. Each pair of key and context is queried.
    `acc_context`, the headline, asks which of the key's own values the answer is nearest to
    (chance 1/contexts); `acc_code` decodes over the whole pool. `context_effect` is what the cue
    adds to `acc_code`, `context_selectivity` the cosine to the wanted value with the right context
    minus that with another one. A memory of slots that ignores contexts mixes a key's values in
    equal parts, with cosine 1/sqrt(contexts) to each.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Keys.
        contexts: Contexts, and values of each key.
        context_dim: Width of contexts.
        pool: Number of value codes; chance of `acc_code` is 1/pool.
        episodes: Independent sets of events per seed.
        key_dim: Width of keys.
        value_dim: Width of values.

    Raises:
        InvalidParameter: If there are more contexts than their width, or more events than codes.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(1)] = 8,
        contexts: Annotated[int, Ge(2)] = 4,
        context_dim: Annotated[int, Ge(2)] = 16,
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        if contexts > context_dim:
            raise InvalidParameter(
                "contexts",
                f"there are no {contexts} orthonormal contexts of width {context_dim}",
                "raise context_dim",
            )
        if items * contexts > pool:
            raise InvalidParameter(
                "items", f"{items} keys in {contexts} contexts need {items * contexts} codes",
                "raise pool",
            )  # fmt: skip
        self.items = items
        self.contexts = contexts
        self.context_dim = context_dim
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim

    @override
    def requires(self) -> frozenset[str]:
        """Use of contexts, and values that differ from their keys."""
        return super().requires() | {"uses_context"}

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys, values and contexts, and the events of all contexts together."""
        return self.sizes(self.items * self.contexts)

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        keys, values, book, codes, given, cues, order = episodes.draw(self._events)
        written = [_reordered(events, order) for events in (keys, values, given)]
        state = episodes.lanes.write(episodes.fresh, written[0], written[1], None, written[2])
        bench.progress(1, 4)
        reads = episodes.read("reinstated", state, keys, None, cues)
        bench.progress(2, 4)
        uncued = episodes.read("uncued", state, keys)
        bench.progress(3, 4)
        # events are context-major: one context further on is the same key's next event
        elsewhere = cues.roll(-self.items, dims=1)
        misled = episodes.read("misled", state, keys, None, elsewhere)
        bench.progress(4, 4)
        scores = {
            "acc_context": self._among_own(reads, values),
            "acc_code": hits(reads, book, codes),
            "acc_code_uncued": hits(uncued, book, codes),
            "cosine": cosines(reads, book, codes),
            "cosine_uncued": cosines(uncued, book, codes),
            "cosine_misled": cosines(misled, book, codes),
        }
        return episodes.outcomes(lambda rows: self._outcome(scores, rows))

    def _events(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Keys, values, codebook, codes, contexts and cues of all events, and their order."""
        n = self.items * self.contexts
        keys = unit_keys(generator, self.items, self.key_dim).repeat(self.contexts, 1)
        book = unit_keys(generator, self.pool, self.value_dim)
        codes = code_sequence(generator, n, self.pool)
        own, given = list_contexts(generator, self.contexts, self.items, self.context_dim)
        cues = own.repeat_interleave(self.items, dim=0)
        order = torch.randperm(n, generator=generator)
        return keys, book[codes], book, codes, given.flatten(0, 1), cues, order

    def _among_own(self, reads: Tensor, values: Tensor) -> Tensor:
        """Share of a hit [S, events] when only the values of the queried key compete."""
        rows = reads.shape[0] * self.items

        def by_key(events: Tensor) -> Tensor:
            split = events.reshape(-1, self.contexts, self.items, events.shape[-1])
            return split.transpose(1, 2).reshape(rows, self.contexts, -1)

        own = torch.arange(self.contexts, device=reads.device).expand(rows, -1)
        return hits(by_key(reads), by_key(values), own).reshape(reads.shape[0], -1)

    def _outcome(self, scores: dict[str, Tensor], rows: slice) -> Outcome:
        means = {name: mean(values, rows) for name, values in scores.items()}
        metrics = [
            accuracy(
                "acc_context", means["acc_context"], 1 / self.contexts, primary=True,
                answers=self.items * self.contexts * self.episodes,
            ),
            accuracy("acc_code", means["acc_code"], 1 / self.pool),
            accuracy("acc_code_uncued", means["acc_code_uncued"], 1 / self.pool),
            difference("context_effect", means["acc_code"] - means["acc_code_uncued"], "higher"),
            cosine("cosine", means["cosine"]),
            cosine("cosine_uncued", means["cosine_uncued"]),
            difference(
                "context_selectivity", means["cosine"] - means["cosine_misled"], "higher",
                of_cosines=True,
            ),
        ]  # fmt: skip
        return Outcome(metrics=metrics, n_eval=3 * self.items * self.contexts * self.episodes)


def _reordered(events: Tensor, order: Tensor) -> Tensor:
    """Events [S, n, W] in an order [S, n] of each lane's own."""
    return events.gather(1, order[..., None].expand(-1, -1, events.shape[-1]))
