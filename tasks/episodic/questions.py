"""The questions of one episode: every template, filled in from its events, and the answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.episodic.events import N_DETAILS, Events, Integers
from tasks.episodic.templates import ABSENT, DETAIL, TEMPLATES, Template

SAMPLED_EVENTS = 200
"""Events from which questions are made, and as many altered ones."""
PER_BIN = 5
"""Questions kept of each template and bin."""
MANY_EVENTS = 1000
"""From here on, questions without a match are made of values that occur."""
BIN_STARTS = (0, 1, 2, 3, 6)
"""Fewest matching events of each bin."""
BIN_NAMES = ("0", "1", "2", "3-5", "6+")
MANY_MATCHES = 2
"""Bin from which on an order exists."""

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Questions:
    """K questions.

    Attributes:
        template: Position in `TEMPLATES`, int [K].
        cue: Values given, int [K, 4], `ABSENT` where none is.
        matches: Number of matching events, int [K].
        truth: The distinct values (or details) asked, bool [K, W], W = max(U, 30).
    """

    template: Integers
    cue: Integers
    matches: Integers
    truth: Booleans

    @property
    def bin(self) -> Integers:
        """Which bin each question belongs to, int [K]."""
        return bins(self.matches)

    @property
    def asked(self) -> Integers:
        """What each question asks for, int [K]."""
        asked: Integers = np.array([t.asked for t in TEMPLATES])[self.template]
        return asked

    @property
    def cue_size(self) -> Integers:
        """How many attributes each question gives, int [K]."""
        size: Integers = (self.cue != ABSENT).sum(1)
        return size

    def scope(self, name: str) -> Booleans:
        """Which questions have this scope, bool [K]."""
        has: Booleans = np.array([t.scope == name for t in TEMPLATES])[self.template]
        return has

    def only(self, chosen: Booleans) -> Questions:
        """The questions that a mask [K] selects."""
        return Questions(
            self.template[chosen], self.cue[chosen], self.matches[chosen], self.truth[chosen]
        )


def bins(matches: Integers) -> Integers:
    """Bin of each number of matching events: 0, 1, 2, 3 to 5, 6 and more."""
    found: Integers = np.searchsorted(np.array(BIN_STARTS), matches, side="right") - 1
    return found


def answer_width(universe: int) -> int:
    """Width W of answers: as many as there are values or details."""
    return max(universe, N_DETAILS)


def ask(rng: np.random.Generator, events: Events, universe: int) -> Questions:
    """Questions about an episode: at most five of each template and bin, in the order drawn.

    Every template is filled in from up to 200 events, and from as many altered events, of which
    only the cues without a match count. Questions of order need two matching events: below that
    they score nothing and are not asked.
    """
    n = len(events.codes)
    sampled = events.codes[rng.permutation(n)[:SAMPLED_EVENTS]]
    altered = alter(rng, events.codes[rng.permutation(n)[:SAMPLED_EVENTS]], events.codes, universe)
    parts = []
    for number, template in enumerate(TEMPLATES):
        cues, matching = _cues(template, sampled, altered, events.codes)
        matches = matching.sum(1)
        kept = _keep(rng, bins(matches), template)
        truth = _answers(template, matching[kept], events, universe)
        parts.append((np.full(len(kept), number), cues[kept], matches[kept], truth))
    return Questions(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def alter(rng: np.random.Generator, chosen: Integers, codes: Integers, universe: int) -> Integers:
    """The chosen events [n, 4], one to four attributes of each changed to another value.

    For every other event, at random, the new values occur in the episode, for the rest they do
    not (with 1,000 events or more they always occur). Where there is no such value the other kind
    is taken.
    """
    n = len(chosen)
    n_changed = rng.integers(1, 5, size=n)
    changed = rng.random((n, 4)).argsort(1) < n_changed[:, None]
    occurring = (rng.random(n) < 0.5) | (len(codes) >= MANY_EVENTS)
    altered = chosen.copy()
    for attribute in range(4):
        used = np.zeros(universe, dtype=bool)
        used[codes[:, attribute]] = True
        wanted = np.where(occurring[:, None], used, ~used)
        other = np.arange(universe) != chosen[:, attribute, None]
        possible = wanted & other
        possible = np.where(possible.any(1, keepdims=True), possible, ~wanted & other)
        drawn = np.where(possible, rng.random(possible.shape), -1.0).argmax(1)
        altered[:, attribute] = np.where(changed[:, attribute], drawn, chosen[:, attribute])
    return altered


def _cues(
    template: Template, sampled: Integers, altered: Integers, codes: Integers
) -> tuple[Integers, Booleans]:
    """Distinct cues [k, 4] of a template and which events each matches, bool [k, N]."""
    given = np.isin(np.arange(4), template.cue)
    cues = np.where(given, np.concatenate([sampled, altered]), ABSENT)
    # as one number per cue: rows are compared ten times as slowly
    radix = cues.max() + 2
    _, first = np.unique((cues + 1) @ radix ** np.arange(4), return_index=True)
    cues = cues[first]
    matching = ((cues[:, None] == codes) | ~given).all(-1)
    # an altered event whose cue matches after all was not asked for
    real = (first < len(sampled)) | ~matching.any(1)
    return cues[real], matching[real]


def _keep(rng: np.random.Generator, bin_of: Integers, template: Template) -> Integers:
    """Positions of at most five random questions of each bin."""
    order = rng.permutation(len(bin_of))
    first = 0 if template.scope == "all" else MANY_MATCHES
    kept = [order[bin_of[order] == b][:PER_BIN] for b in range(first, len(BIN_STARTS))]
    return np.concatenate(kept)


def _answers(template: Template, matching: Booleans, events: Events, universe: int) -> Booleans:
    """The values asked of the matching events [k, N], as sets [k, W]."""
    detail = template.asked == DETAIL
    value = events.details if detail else events.codes[:, template.asked]
    one_hot = value[:, None] == np.arange(answer_width(universe))
    answers: Booleans = (matching.astype(np.float32) @ one_hot.astype(np.float32)) > 0
    return answers
