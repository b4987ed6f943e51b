"""Matrix memories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.memories.case import Case, Recall, feature_reference
from tests.reference import delta, linear_assoc


def _linear(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(linear_assoc.recall, phi=feature_reference(m), **params)


def _delta(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(delta.recall, phi=feature_reference(m, unit_features=True), **params)


CASES = [
    Case("linear-assoc", {}, _linear()),
    Case(
        "linear-assoc",
        {"decay": 0.875, "write_strength": 0.5, "phi": "rff", "features": 8},
        _linear(decay=0.875, write_strength=0.5),
    ),
    Case(
        "linear-assoc",
        {"decay": 0.9375, "phi": "relu", "features": 9, "normalise": True},
        _linear(decay=0.9375, normalise=True),
    ),
    Case("linear-assoc", {"phi": "dpfp", "nu": 2, "normalise": True}, _linear(normalise=True)),
    Case("linear-assoc", {"phi": "taylor2"}, _linear()),
    Case("delta", {}, _delta()),
    Case("delta", {"write_strength": 0.5, "chunk": 7}, _delta(write_strength=0.5)),
    Case("delta", {"phi": "rff", "features": 10, "chunk": 1}, _delta()),
    Case("delta", {"phi": "randproj", "features": 4}, _delta()),
    Case("delta", {"phi": "taylor2", "chunk": 5}, _delta()),
    Case(
        "delta",
        {"passes": 2, "chunk": 8, "write_strength": 0.5},
        _delta(passes=2, write_strength=0.5),
        composes=False,
    ),
]
