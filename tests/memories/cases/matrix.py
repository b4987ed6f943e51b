"""Matrix memories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.memories.case import Case, Recall, feature_reference
from tests.reference import delta, gated_delta, linear_assoc, ridge_assoc


def _linear(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(linear_assoc.recall, phi=feature_reference(m), **params)


def _delta(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(delta.recall, phi=feature_reference(m, unit_features=True), **params)


def _gated(**params: Any) -> Callable[[Any], Recall]:
    phi = partial(feature_reference, unit_features=True)
    return lambda m: partial(gated_delta.recall, phi=phi(m), **params)


def _ridge(m: Any) -> Recall:
    return partial(
        ridge_assoc.recall if m.form == "information" else ridge_assoc.recall_recursively,
        phi=feature_reference(m),
        ridge=float(m.ridge),
        decay=float(m.decay),
    )


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
    Case("gated-delta", {"decay": 0.9375}, _gated(decay=0.9375)),
    Case(
        "gated-delta",
        {"decay": 0.5, "write_strength": 0.75, "chunk": 7},
        _gated(decay=0.5, write_strength=0.75),
    ),
    Case(
        "gated-delta",
        {"decay": 1.0, "phi": "rff", "features": 10, "chunk": 1},
        _gated(decay=1.0),
    ),
    Case("ridge-assoc", {"ridge": 0.25}, _ridge),
    Case("ridge-assoc", {"decay": 0.875, "phi": "rff", "features": 8, "ridge": 0.125}, _ridge),
    Case("ridge-assoc", {"form": "covariance", "ridge": 0.25}, _ridge),
    Case("ridge-assoc", {"form": "covariance", "ridge": 0.25, "decay": 0.9375}, _ridge),
]
