"""When something was seen last, and in which order: questions about one entity's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tasks.episodic.decoders import DECODERS, Decoder, answers, padded
from tasks.episodic.events import Events, Integers
from tasks.episodic.questions import Questions
from tasks.episodic.recall import Recall, in_parts
from tasks.episodic.scoring import kendall
from tasks.episodic.templates import ABSENT, CONTENT, ENTITY, PLACE, TEMPLATES, TIME

OrderBy = Literal["rank", "times"]


@dataclass(frozen=True)
class Sightings:
    """Events of entities, as recalled or as they were.

    Attributes:
        codes: Time, place, entity and content of each, int [P, 4].
        moment: What orders them, int [P].
    """

    codes: Integers
    moment: Integers

    @classmethod
    def true(cls, events: Events, order_by: OrderBy) -> Sightings:
        """All events, ordered by their time's rank or by their presentation."""
        presented = np.arange(len(events.codes))
        return cls(events.codes, events.codes[:, TIME] if order_by == "rank" else presented)

    def of(self, entity: int) -> Sightings:
        """Those of one entity, in order."""
        own = self.codes[:, ENTITY] == entity
        order = np.argsort(self.moment[own], kind="stable")
        return Sightings(self.codes[own][order], self.moment[own][order])


@dataclass(frozen=True)
class OrderScores:
    """Scores of the questions of order of one episode.

    Attributes:
        latest: Per question for the latest value, whether it was right: 0 or 1.
        complete: Per question for a list, whether every event of it was found: 0 or 1.
        tau: Kendall's tau of the complete ones.
    """

    latest: list[float]
    complete: list[float]
    tau: list[float]


def sightings(
    recall: Recall,
    questions: Sequence[Questions],
    scale: Tensor,
    threshold: Sequence[float],
    *,
    decoder: Decoder,
    order_by: OrderBy,
) -> list[Sightings]:
    """When each lane saw the entities it is asked about, and where and with what.

    The times of an entity are a set like any other answer; place and content are the strongest
    ones in read(entity and time). With ``times`` the moment is the presentation time with which
    entity and time are recalled best.
    """
    device = recall.codes.device
    entities = [np.unique(q.cue[:, ENTITY]) for q in questions]
    cues = padded([_cue(entity) for entity in entities], device)
    when = torch.full(cues.shape[:2], TIME, device=device)
    scored = DECODERS[decoder](recall, cues, when, scale).double().cpu().numpy()
    found = []
    for lane, entity in enumerate(entities):
        row, time = np.nonzero(answers(scored[lane, : len(entity)], threshold[lane]))
        found.append(_cue(entity[row], time))
    cues = padded(found, device)
    codes = in_parts(lambda cue: _filled(recall, cue), _step(recall), cues)
    moments = codes[..., TIME]
    if order_by == "times":
        moments = in_parts(lambda cue: _moment(recall, cue), recall.per_call(recall.n_events), cues)
    return [
        Sightings(codes[lane, : len(f)].cpu().numpy(), moments[lane, : len(f)].cpu().numpy())
        for lane, f in enumerate(found)
    ]


def _cue(entity: Integers, time: Integers | None = None) -> Integers:
    """Cues [K, 4] of entities, and of times if given."""
    cue = np.full((len(entity), 4), ABSENT, dtype=np.int64)
    cue[:, ENTITY] = entity
    if time is not None:
        cue[:, TIME] = time
    return cue


def _step(recall: Recall) -> int:
    return recall.per_call(recall.table.universe)


def _filled(recall: Recall, cue: Tensor) -> Tensor:
    """Events [S, P, 4] of entities and times: the strongest place and content of one read."""
    blocks, _ = recall.read(cue)
    strongest = [
        recall.of_values(blocks, torch.full_like(cue[..., 0], attribute)).argmax(-1)
        for attribute in (PLACE, CONTENT)
    ]
    return torch.stack([cue[..., TIME], strongest[0], cue[..., ENTITY], strongest[1]], dim=-1)


def _moment(recall: Recall, cue: Tensor) -> Tensor:
    """The presentation time [S, P] at which each cue is most present, of equal ones the first."""
    n = recall.n_events
    times = torch.arange(n, dtype=torch.float32, device=cue.device)
    repeated = cue.repeat_interleave(n, dim=1)
    blocks, _ = recall.read(repeated, times.repeat(cue.shape[1]).expand(cue.shape[0], -1))
    return recall.presence(repeated, blocks).reshape(*cue.shape[:2], n).argmax(-1)


def score(questions: Questions, recalled: Sightings, true: Sightings) -> OrderScores:
    """How right the latest values are, and how complete and ordered the lists.

    A list is complete if each of its events was found at its time and with the value asked; more
    than that may have been found. Its order is compared event by event.
    """
    scores = OrderScores([], [], [])
    for number, entity in zip(questions.template, questions.cue[:, ENTITY], strict=True):
        asked, found, wanted = TEMPLATES[number].asked, recalled.of(entity), true.of(entity)
        if TEMPLATES[number].scope == "latest":
            last = found.codes[-1:, asked]
            scores.latest.append(float(np.array_equal(last, wanted.codes[-1:, asked])))
            continue
        moment = {
            (time, value): when
            for time, value, when in zip(
                found.codes[:, TIME], found.codes[:, asked], found.moment, strict=True
            )
        }
        listed = list(zip(wanted.codes[:, TIME], wanted.codes[:, asked], strict=True))
        complete = all(event in moment for event in listed)
        scores.complete.append(float(complete))
        if complete:
            scores.tau.append(kendall([float(moment[event]) for event in listed]))
    return scores
