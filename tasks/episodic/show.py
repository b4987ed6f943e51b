"""An episode of events for a person to look at: what happened, and what is asked about it."""

from __future__ import annotations

import numpy as np

from tasks.episodic.questions import Questions
from tasks.episodic.recall import Episode
from tasks.episodic.templates import ABSENT, ATTRIBUTES, COMPANIONS, DETAIL, TEMPLATES
from tasks.samples.sample import Cell, Facts, Sample, Table

EVENTS = 10
QUESTIONS = 12
"""Events and questions that are shown."""
ASKED = {**dict(enumerate(ATTRIBUTES)), DETAIL: "detail", COMPANIONS: "companions"}


def sample(episode: Episode, title: str) -> Sample:
    """The first events, and questions spread over all kinds, with what would be right."""
    events, questions = episode.events, episode.questions
    n = len(events.codes)
    told: list[tuple[Cell, ...]] = [
        (event, *_named(events.codes[event].tolist()), f"d{events.details[event]}")
        for event in range(min(n, EVENTS))
    ]
    facts = Facts({"events": n, "questions": len(questions.template)})
    shown = Table("events", ("event", *ATTRIBUTES, "detail"), told, n - len(told))
    return Sample(title, (facts, shown, _asked(questions)))


def _asked(questions: Questions) -> Table:
    total = len(questions.template)
    chosen = np.unique(np.linspace(0, total - 1, min(total, QUESTIONS)).round().astype(int))
    rows = [_question(questions, int(k)) for k in chosen]
    columns = ("given", "asked", "which", "matching events", "values among them")
    return Table("questions", columns, rows, total - len(rows))


def _question(questions: Questions, k: int) -> tuple[Cell, ...]:
    template = TEMPLATES[questions.template[k]]
    cue = questions.cue[k].tolist()
    given = [name for name, value in zip(_named(cue), cue, strict=True) if value != ABSENT]
    letter = ASKED[template.asked][0]
    right = [f"{letter}{value}" for value in np.flatnonzero(questions.truth[k])]
    return (
        " ".join(given), ASKED[template.asked], template.scope, int(questions.matches[k]),
        " ".join(right) or "none",
    )  # fmt: skip


def _named(codes: list[int]) -> list[str]:
    """Values with the initial of their attribute, e.g. ``p3`` for a place."""
    return [f"{name[0]}{code}" for name, code in zip(ATTRIBUTES, codes, strict=True)]
