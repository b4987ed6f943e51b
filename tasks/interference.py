"""What a second list does to the first, and the first to the second."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor
from typing_extensions import override

from bench.registry import task
from memories.base import InvalidParameter, State
from tasks.association.episode_lanes import EpisodeLanes, mean
from tasks.association.paired_lists import SOURCES, Cue, PairedLists, PairList, similar_lists
from tasks.association.recall import cosines, hits
from tasks.association.recall_metrics import accuracy, cosine, difference
from tasks.association.task import AssociativeTask
from tasks.base import Metric, Outcome, Workbench

NOT_INTERPRETABLE = "not interpretable"
"""The mark of a row whose effects say nothing."""
NEEDS: dict[Cue, frozenset[str]] = {
    "none": frozenset(),
    "context": frozenset({"uses_context"}),
    "wrong-context": frozenset({"uses_context"}),
    "time": frozenset({"uses_time"}),
}


@dataclass(frozen=True)
class _Scores:
    """Scores of one probe per lane and query, [S, n]."""

    acc: Tensor
    cos: Tensor
    intrusion: Tensor


@task("interference", family="associative", source="McGeoch 1932; Underwood 1957")
class Interference(AssociativeTask):
    """Retroactive and proactive interference between two lists (A-B, then A'-C).

    Each key of the second list has cosine `similarity` to its partner in the first; at 1 it is the
    same key with a new value. Retroactive: recall of A-B before (`retro_immediate`) and after
    (`retro_acc`) the second list, against a control list of orthogonal keys
    (`retro_interference`). Proactive: recall of A'-C after a first list of similar or of
    orthogonal keys (`pro_acc`, `pro_interference`). Intrusions are answers from the other list.

    An effect says nothing about a memory that had recalled nothing in the first place: below twice
    the chance level it is marked as not interpretable.

    With ``cue: context`` the first list is also asked for without a context and in the other
    list's: `context_effect` is what the right context adds to `retro_acc`, `context_selectivity`
    the cosine to B with the right context minus that with the wrong one, over keys that have a
    partner.
    `context_selectivity_src` is the figure that has gone by that name: the distance between the
    cosine to B in the first context and the cosine to C, for the same key, in the second. It says
    how unequally both lists are recalled, and is 0 for a memory that recalls both.

    Presets fix all parameters but `episodes`, and have Gaussian keys, values and contexts, decoded
    among the values of both lists. ``ar-source``: D = 32, 5 pairs, keys plus .1 N(0, I) in the
    second list. ``episodic-source``: D = 32, 5 pairs, then 15 under the first three keys plus
    .2 N(0, I), each event in a context of its own of width 16, which is the cue.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Pairs per list.
        similarity: Cosine between partner keys.
        cue: Whether lists have a context or times of their own that are given back as a cue;
            ``wrong-context`` gives the other list's context.
        context_dim: Width of contexts, if there are any.
        pool: Number of value codes; chance is 1/pool.
        episodes: Independent pairs of lists per seed.
        key_dim: Width of keys.
        value_dim: Width of values.
        preset: A design of an earlier comparison in place of these parameters.

    Raises:
        InvalidParameter: If there are too few codes for two lists, or a preset is given together
            with another value of a parameter that it fixes.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(1)] = 10,
        similarity: Annotated[float, Ge(0), Le(1)] = 0.9,
        cue: Cue = "none",
        context_dim: Annotated[int, Ge(2)] = 16,
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
        preset: Literal["none", "ar-source", "episodic-source"] = "none",
    ) -> None:
        if 2 * items > pool:
            raise InvalidParameter(
                "items", f"two lists of {items} need {2 * items} codes", "raise pool"
            )
        self.items = (items, items)
        self.similarity = similarity
        self.cue: Cue = cue
        self.context_dim = context_dim if cue in ("context", "wrong-context") else 0
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim
        self.source = SOURCES.get(preset)
        if self.source is not None:
            _refuse_others(
                preset, dim=dim, items=items, similarity=similarity, cue=cue,
                context_dim=context_dim, pool=pool, key_dim=key_dim, value_dim=value_dim,
            )  # fmt: skip
            self.items = (self.source.first, self.source.second)
            self.key_dim = self.value_dim = self.source.dim
            self.context_dim = self.source.context_dim
            self.cue = "context" if self.context_dim else "none"
            self.pool = sum(self.items)

    @override
    def requires(self) -> frozenset[str]:
        """Values that differ from their keys, and the capability that the cue needs."""
        return super().requires() | NEEDS[self.cue]

    @override
    def dictates(self) -> dict[str, int]:
        """Sizes of keys, values and contexts, and the events of both lists together."""
        return self.sizes(sum(self.items))

    @override
    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        episodes = EpisodeLanes(bench, self.dictates(), self.episodes)
        lists = self.lists(episodes.generators, bench.device)
        first, second = lists.first, lists.second
        after_first = _written(episodes, episodes.fresh, first)
        bench.progress(1, 4)
        after_both = _written(episodes, after_first, second)
        bench.progress(2, 4)
        after_control = _written(episodes, after_first, lists.control_second)
        bench.progress(3, 4)
        control = _written(episodes, episodes.fresh, lists.control_first)
        after_unrelated = _written(episodes, control, second)
        bench.progress(4, 4)
        asked = {
            "retro_immediate": (after_first, first),
            "retro_acc": (after_both, first),
            "retro_control": (after_control, first),
            "pro_acc": (after_both, second),
            "pro_control": (after_unrelated, second),
        }
        probes = {
            name: self._probe(episodes, name, state, events, lists.book)
            for name, (state, events) in asked.items()
        }
        swapped: dict[str, Tensor] = {}
        if self.cue == "context":
            swapped = self._swapped(episodes, after_both, lists, probes["retro_acc"])
        return episodes.outcomes(lambda rows: self._outcome(probes, swapped, rows))

    def lists(self, generators: list[torch.Generator], device: torch.device) -> PairedLists:
        """Both lists and their controls, for each lane's generator."""
        if self.source is not None:
            return self.source.draw(generators, device)
        return similar_lists(
            generators, device,
            items=self.items[0], similarity=self.similarity,
            key_dim=self.key_dim, value_dim=self.value_dim, pool=self.pool,
            context_dim=self.context_dim, timed=self.cue == "time",
        )  # fmt: skip

    def _probe(
        self, episodes: EpisodeLanes, name: str, state: State, asked: PairList, book: Tensor
    ) -> _Scores:
        cue = {"context": asked.own, "wrong-context": asked.other}.get(self.cue)
        reads = episodes.read(name, state, asked.keys, asked.times, cue)
        rival = asked.rivals.unbind(-1)
        intrusions = [torch.where(r >= 0, hits(reads, book, r.clamp(min=0)), 0.0) for r in rival]
        return _Scores(
            hits(reads, book, asked.codes),
            cosines(reads, book, asked.codes),
            torch.stack(intrusions).sum(0),
        )

    def _swapped(
        self, episodes: EpisodeLanes, state: State, lists: PairedLists, cued: _Scores
    ) -> dict[str, Tensor]:
        """Recall of the first list without a context and in the other's, beside that in its own."""
        first, rival, pairs = lists.first, lists.second.codes, slice(lists.partners)
        uncued = episodes.read("retro_acc_uncued", state, first.keys)
        misled = episodes.read("retro_acc_misled", state, first.keys, None, first.other)
        own = cued.cos[:, pairs]
        to_own = cosines(misled, lists.book, first.codes)[:, pairs]
        to_rival = cosines(misled[:, pairs], lists.book, rival[:, pairs])
        return {
            "retro_acc_uncued": hits(uncued, lists.book, first.codes),
            "retro_acc_misled": hits(misled, lists.book, first.codes),
            "context_selectivity": own - to_own,
            "context_selectivity_src": (own - to_rival).abs(),
        }

    def _outcome(
        self, probes: dict[str, _Scores], swapped: dict[str, Tensor], rows: slice
    ) -> Outcome:
        acc = {name: mean(probe.acc, rows) for name, probe in probes.items()}
        cos = {name: mean(probe.cos, rows) for name, probe in probes.items()}
        metrics = [
            *self._proportions(acc),
            *self._cosines(cos),
            _share("retro_intrusion", probes["retro_acc"], rows),
            _share("pro_intrusion", probes["pro_acc"], rows),
            *self._context_effects(acc, {n: mean(v, rows) for n, v in swapped.items()}),
        ]
        first, second = self.items
        asked = (5 if swapped else 3) * first + 2 * second
        outcome = Outcome(metrics=metrics, n_eval=asked * self.episodes)
        unclear = [
            effect
            for effect, before in (("retro", "retro_immediate"), ("pro", "pro_control"))
            if acc[before] < 2 / self.pool
        ]
        if unclear:
            outcome.marks = (NOT_INTERPRETABLE,)
            outcome.notes["not_interpretable"] = unclear
            outcome.notes["warnings"] = [
                f"its {' and '.join(unclear)} effects are not interpretable: recall was below "
                "twice the chance level before any interference"
            ]
        return outcome

    def _proportions(self, acc: dict[str, float]) -> list[Metric]:
        """Accuracies of the five probes and the effects between them."""
        tested = ("retro_acc", "pro_acc")
        return [
            *(
                accuracy(
                    name,
                    value,
                    1 / self.pool,
                    primary=name in tested,
                    # retroactive probes ask for the first list, proactive ones for the second
                    answers=self.items[name.startswith("pro")] * self.episodes,
                )
                for name, value in acc.items()
            ),
            *(difference(name, value, "lower") for name, value in _effects(acc).items()),
        ]

    def _cosines(self, cos: dict[str, float]) -> list[Metric]:
        """The same from cosines."""
        return [
            *(cosine(f"{name}_cos", value) for name, value in cos.items()),
            *(
                difference(f"{name}_cos", value, "lower", of_cosines=True)
                for name, value in _effects(cos).items()
            ),
        ]

    def _context_effects(self, acc: dict[str, float], swapped: dict[str, float]) -> list[Metric]:
        """What the right context is worth, if contexts were given."""
        if not swapped:
            return []
        effect = acc["retro_acc"] - swapped["retro_acc_uncued"]
        selectivity = swapped["context_selectivity"]
        return [
            accuracy("retro_acc_uncued", swapped["retro_acc_uncued"], 1 / self.pool),
            accuracy("retro_acc_misled", swapped["retro_acc_misled"], 1 / self.pool),
            difference("context_effect", effect, "higher"),
            difference("context_selectivity", selectivity, "higher", of_cosines=True),
            Metric(
                "context_selectivity_src", swapped["context_selectivity_src"], "lower",
                bounds=(0.0, 2.0),
            ),
        ]  # fmt: skip


def _effects(scores: dict[str, float]) -> dict[str, float]:
    """What the other list costs, in the unit of the probes."""
    return {
        "retro_effect": scores["retro_immediate"] - scores["retro_acc"],
        "retro_interference": scores["retro_control"] - scores["retro_acc"],
        "pro_interference": scores["pro_control"] - scores["pro_acc"],
    }


def _written(episodes: EpisodeLanes, state: State, events: PairList) -> State:
    return episodes.lanes.write(state, events.keys, events.values, events.times, events.contexts)


def _share(name: str, probe: _Scores, rows: slice) -> Metric:
    """Share of answers that belong to the other list."""
    return Metric(name, mean(probe.intrusion, rows), "lower", bounds=(0.0, 1.0))


def _refuse_others(preset: str, **given: Any) -> None:
    """Refuse settings that a preset would leave without effect."""
    parameters = inspect.signature(Interference).parameters
    for name, value in given.items():
        if value != parameters[name].default:
            raise InvalidParameter(
                name, f"is fixed by preset '{preset}', got {value}", f"remove {name}, or the preset"
            )
