"""Memories of bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.memories.case import Case, Recall
from tests.reference import hopfield


def _hopfield(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(hopfield.recall, ridge=float(m.ridge), **params)


def _hetero(**params: Any) -> Callable[[Any], Recall]:
    return lambda _: partial(hopfield.recall_hetero, **params)


CASES = [
    Case("hopfield", {}, _hopfield(), differentiable=False),
    Case(
        "hopfield",
        {"sequential": True, "steps": 3},
        _hopfield(sequential=True, steps=3),
        differentiable=False,
    ),
    Case(
        "hopfield",
        {"readout": "linear", "steps": 2},
        _hopfield(readout="linear", steps=2),
        differentiable=False,
    ),
    Case(
        "hopfield",
        {"rule": "projection", "ridge": 0.25},
        _hopfield(rule="projection"),
        differentiable=False,
    ),
    Case("hopfield", {"mode": "hetero"}, _hetero(), differentiable=False),
    Case("hopfield", {"mode": "hetero", "readout": "linear"}, _hetero(readout="linear")),
]
