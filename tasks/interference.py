"""What a second list does to the first, and the first to the second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn.functional import normalize

from bench.registry import task
from memories.base import InvalidParameter, State
from tasks.base import Lanes, Metric, Outcome, Task, Workbench
from tasks.keys import at_cosine, orthogonal_to, unit_keys
from tasks.recall import codebooks, cosines, hits

CONTEXT_NOISE = 0.1
"""Scatter of an event's context around its list's context."""


@dataclass(frozen=True)
class _List:
    """One list of events over all lanes: keys [S, n, D], codes [S, n], cues or None."""

    keys: Tensor
    codes: Tensor
    times: Tensor | None
    contexts: Tensor | None
    cue: Tensor | None


@dataclass(frozen=True)
class _Scores:
    """Scores of one probe, one row per lane."""

    acc: Tensor
    cos: Tensor
    intrusion: Tensor
    finite: Tensor


@task("interference", family="associative", source="McGeoch 1932; Underwood 1957")
class Interference(Task):
    """Retroactive and proactive interference between two lists (A-B, then A'-C).

    Each key of the second list has cosine `similarity` to its partner in the first; at 1 it is the
    same key with a new value. Retroactive: recall of A-B before (`retro_immediate`) and after
    (`retro_acc`) the second list, against a control list of orthogonal keys
    (`retro_interference`). Proactive: recall of A'-C after a first list of similar or of
    orthogonal keys (`pro_acc`, `pro_interference`). Intrusions are answers from the other list.

    An effect says nothing about a memory that had recalled nothing in the first place: below twice
    the chance level it is marked as not interpretable.

    Args:
        dim: Width of keys and values where `key_dim` or `value_dim` is not given.
        items: Pairs per list.
        similarity: Cosine between partner keys.
        cue: Whether lists have a context or times of their own that are given back as a cue.
        context_dim: Width of contexts, with ``cue: context``.
        pool: Number of value codes; chance is 1/pool.
        episodes: Independent pairs of lists per seed.
        key_dim: Width of keys.
        value_dim: Width of values.
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Ge(2)] = 64,
        items: Annotated[int, Ge(1)] = 10,
        similarity: Annotated[float, Ge(0), Le(1)] = 0.9,
        cue: Literal["none", "context", "time"] = "none",
        context_dim: Annotated[int, Ge(2)] = 16,
        pool: Annotated[int, Ge(2)] = 1024,
        episodes: Annotated[int, Ge(1)] = 20,
        key_dim: Annotated[int, Ge(2)] | None = None,
        value_dim: Annotated[int, Ge(2)] | None = None,
    ) -> None:
        if 2 * items > pool:
            raise InvalidParameter(
                "items", f"two lists of {items} need {2 * items} codes", "raise pool"
            )
        self.items = items
        self.similarity = similarity
        self.cue = cue
        self.context_dim = context_dim if cue == "context" else 0
        self.pool = pool
        self.episodes = episodes
        self.key_dim = key_dim or dim
        self.value_dim = value_dim or dim

    def requires(self) -> frozenset[str]:
        """The capability that the cue needs."""
        needs = {"none": [], "context": ["uses_context"], "time": ["uses_time"]}
        return frozenset(needs[self.cue])

    def dictates(self) -> dict[str, int]:
        """Sizes of keys, values and contexts, and the events of both lists together."""
        return {
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "context_dim": self.context_dim,
            "max_events": 2 * self.items,
        }

    def run(self, bench: Workbench) -> list[Outcome]:
        """One outcome per seed, averaged over its episodes."""
        lanes = bench.lanes([self.dictates()] * len(bench.seeds)).repeat(self.episodes)
        generators = [
            bench.torch_rng(seed, "test", "episode", episode)
            for seed in bench.seeds
            for episode in range(self.episodes)
        ]
        book = codebooks(generators, self.pool, self.value_dim).to(bench.device)
        first, second, control_second, control_first = self._lists(generators, bench.device)
        fresh = lanes.init_state()
        after_first = self._write(lanes, fresh, first, book)
        bench.progress(1, 4)
        after_both = self._write(lanes, after_first, second, book)
        bench.progress(2, 4)
        after_control = self._write(lanes, after_first, control_second, book)
        bench.progress(3, 4)
        control = self._write(lanes, fresh, control_first, book)
        after_unrelated = self._write(lanes, control, second, book)
        bench.progress(4, 4)
        probes = {
            "retro_immediate": self._probe(lanes, after_first, first, second, book),
            "retro_acc": self._probe(lanes, after_both, first, second, book),
            "retro_control": self._probe(lanes, after_control, first, second, book),
            "pro_acc": self._probe(lanes, after_both, second, first, book),
            "pro_control": self._probe(lanes, after_unrelated, second, first, book),
        }
        return [self._outcome(probes, lane) for lane in range(len(bench.seeds))]

    def _lists(
        self, generators: list[torch.Generator], device: torch.device
    ) -> tuple[_List, _List, _List, _List]:
        """Both lists, and for each the control whose keys are orthogonal to the other's."""
        parts: list[list[Tensor]] = [[], [], [], [], [], []]
        for generator in generators:
            a = unit_keys(generator, self.items, self.key_dim)
            beside = orthogonal_to(generator, a)
            a2 = at_cosine(a, beside, self.similarity)
            codes = torch.randperm(self.pool, generator=generator)[: 2 * self.items]
            drawn = (a, a2, beside, orthogonal_to(generator, a2), codes, self._contexts(generator))
            for part, value in zip(parts, drawn, strict=True):
                part.append(value)
        a, a2, a2_control, a_control, codes, contexts = (torch.stack(p).to(device) for p in parts)
        b, c = codes[:, : self.items], codes[:, self.items :]
        return (
            self._list(a, b, contexts, 0),
            self._list(a2, c, contexts, 1),
            self._list(a2_control, c, contexts, 1),
            self._list(a_control, b, contexts, 0),
        )

    def _contexts(self, generator: torch.Generator) -> Tensor:
        """Contexts [2, 1 + items, C]: per list its own, then one per event around it."""
        if not self.context_dim:
            return torch.zeros(2, 1 + self.items, 0)
        own = torch.linalg.qr(torch.randn(self.context_dim, 2, generator=generator)).Q.T
        noise = torch.randn(2, self.items, self.context_dim, generator=generator)
        events = normalize(own[:, None] + CONTEXT_NOISE * noise / self.context_dim**0.5, dim=-1)
        return torch.cat([own[:, None], events], dim=1)

    def _list(self, keys: Tensor, codes: Tensor, contexts: Tensor, which: int) -> _List:
        times = None
        if self.cue == "time":
            start = which * self.items
            times = torch.arange(start, start + self.items, dtype=keys.dtype, device=keys.device)
            times = times.expand(keys.shape[0], -1)
        if not self.context_dim:
            return _List(keys, codes, times, None, None)
        cue = contexts[:, which, :1].expand(-1, self.items, -1)
        return _List(keys, codes, times, contexts[:, which, 1:], cue)

    def _write(self, lanes: Lanes, state: State, events: _List, book: Tensor) -> State:
        index = events.codes[..., None].expand(-1, -1, self.value_dim)
        values = book.gather(1, index)
        return lanes.write(state, events.keys, values, events.times, events.contexts)

    def _probe(
        self, lanes: Lanes, state: State, asked: _List, other: _List, book: Tensor
    ) -> _Scores:
        reads = lanes.read(state, asked.keys, asked.times, asked.cue, value_dim=self.value_dim)
        finite = reads.isfinite().all(-1).all(-1)
        reads = reads.nan_to_num(0.0, 0.0, 0.0)
        return _Scores(
            hits(reads, book, asked.codes).mean(-1),
            cosines(reads, book, asked.codes).mean(-1),
            hits(reads, book, other.codes).mean(-1),
            finite,
        )

    def _outcome(self, probes: dict[str, _Scores], lane: int) -> Outcome:
        rows = slice(lane * self.episodes, (lane + 1) * self.episodes)
        for name, probe in probes.items():
            if not bool(probe.finite[rows].all()):
                return Outcome("nonfinite", f"a read of probe {name} was not finite")
        acc = {name: float(p.acc[rows].double().mean()) for name, p in probes.items()}
        cos = {name: float(p.cos[rows].double().mean()) for name, p in probes.items()}
        metrics = [
            *self._proportions(acc, ""),
            *self._proportions(cos, "_cos"),
            _share("retro_intrusion", probes["retro_acc"], rows),
            _share("pro_intrusion", probes["pro_acc"], rows),
        ]
        unclear = [
            effect
            for effect, before in (("retro", "retro_immediate"), ("pro", "pro_control"))
            if acc[before] < 2 / self.pool
        ]
        notes: dict[str, Any] = {}
        if unclear:
            notes["not_interpretable"] = unclear
            notes["warnings"] = [
                f"its {' and '.join(unclear)} effects are not interpretable: recall was below "
                "twice the chance level before any interference"
            ]
        return Outcome(metrics=metrics, n_eval=5 * self.items * self.episodes, notes=notes)

    def _proportions(self, scores: dict[str, float], suffix: str) -> list[Metric]:
        """The five probes and the effects between them, from accuracies or from cosines."""
        low = -1.0 if suffix else 0.0
        chance = 0.0 if suffix else 1 / self.pool
        probes = [
            Metric(
                name + suffix,
                value,
                "higher",
                primary=not suffix and name in ("retro_acc", "pro_acc"),
                bounds=(low, 1.0),
                chance=chance,
                ceiling=1.0,
            )
            for name, value in scores.items()
        ]
        effects = {
            "retro_effect": scores["retro_immediate"] - scores["retro_acc"],
            "retro_interference": scores["retro_control"] - scores["retro_acc"],
            "pro_interference": scores["pro_control"] - scores["pro_acc"],
        }
        bounds = (low - 1.0, 1.0 - low)
        return probes + [
            Metric(name + suffix, value, "lower", bounds=bounds) for name, value in effects.items()
        ]


def _share(name: str, probe: _Scores, rows: slice) -> Metric:
    """Share of answers that belong to the other list."""
    return Metric(name, float(probe.intrusion[rows].double().mean()), "lower", bounds=(0.0, 1.0))
