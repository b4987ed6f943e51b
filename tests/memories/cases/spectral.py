"""Spectral key-value memories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.memories.case import Case, Recall, feature_reference
from tests.reference import spectral_kv


def _pcr(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(
        spectral_kv.recall, components=m.components, phi=feature_reference(m), **params
    )


def _joint(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(
        spectral_kv.recall_jointly, components=m.components, phi=feature_reference(m), **params
    )


def _strict(**params: Any) -> Callable[[Any], Recall]:
    return lambda m: partial(
        spectral_kv.recall_strictly, components=m.components, phi=feature_reference(m), **params
    )


JOINT, STRICT = "spectral-kv-joint", "spectral-kv-strict"

CASES = [
    Case("spectral-kv", {}, _pcr()),
    Case("spectral-kv", {"components": 3, "decay": 0.9375}, _pcr(decay=0.9375)),
    Case("spectral-kv", {"components": 4, "ridge": "auto"}, _pcr(ridge="auto")),
    Case("spectral-kv", {"ridge": 0.25, "window": 9}, _pcr(ridge=0.25, window=9)),
    Case(
        "spectral-kv",
        {"window": 30, "decay": 0.875, "phi": "rff", "features": 8, "ridge": 0.125},
        _pcr(window=30, decay=0.875, ridge=0.125),
    ),
    Case(JOINT, {}, _joint()),
    Case(
        JOINT,
        {"components": 4, "value_scale": 0.5, "decay": 0.9375},
        _joint(scale=0.5, decay=0.9375),
    ),
    Case(JOINT, {"components": 11}, _joint()),
    Case(JOINT, {"components": 5, "window": 9}, _joint(window=9)),
    Case(
        JOINT,
        {"components": 3, "readout": "projection", "value_scale": 2.0},
        _joint(posterior=False, scale=2.0),
    ),
    Case(STRICT, {}, _strict(), composes=False),
    Case(
        STRICT, {"components": 3, "decay": 0.9375, "ridge": 0.125},
        _strict(decay=0.9375, ridge=0.125), composes=False,
    ),
    Case(
        STRICT, {"components": 5, "phi": "rff", "features": 8, "ridge": "auto"},
        _strict(ridge="auto"), composes=False,
    ),
]  # fmt: skip
