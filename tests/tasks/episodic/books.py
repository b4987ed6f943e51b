"""Small books with memories that have read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.lanes import Lanes
from tasks.episodic.codes import Codebook
from tasks.episodic.events import Events, EventSampler
from tasks.episodic.questions import ask
from tasks.episodic.recall import Episode, Recall
from tests.memories.case import build

WIDTH = 16
CPU = torch.device("cpu")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def book(seed: int, n: int, universe: int = 100, width: int = WIDTH) -> Episode:
    events = EventSampler(universe).draw(rng(seed), n)
    return of_events(events, seed, universe, width)


def of_events(events: Events, seed: int = 0, universe: int = 100, width: int = WIDTH) -> Episode:
    codebook = Codebook.draw(rng(100 + seed), universe, width)
    return Episode(events, codebook, ask(rng(200 + seed), events, universe))


def recalls(name: str, books: list[Episode], *, timed: bool = False, **params: Any) -> Recall:
    """One memory per book, after reading it."""
    width = books[0].codebook.details.shape[1]
    n = len(books[0].events.codes)
    memories = [
        build(name, seed, key_dim=4 * width, value_dim=5 * width, max_events=n, **params)
        for seed in range(len(books))
    ]
    return Recall.of(Lanes(memories), books, CPU, timed=timed)
