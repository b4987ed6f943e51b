"""Memories that add everything up in few places."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from tests.memories.case import Case, Recall
from tests.reference import hrr, sdm


def _nearest(m: Any) -> Recall:
    active = sdm.nearest(m.addresses, m.top_k)
    return partial(sdm.recall, locations=m.locations, active=active, norm=m.norm)


def _within(m: Any) -> Recall:
    active = sdm.within(m.addresses, m.radius)
    return partial(sdm.recall, locations=m.locations, active=active, norm=m.norm)


def _phase(m: Any) -> Recall:
    real, imaginary = m.spread.mT.chunk(2)
    return partial(
        hrr.recall,
        frequencies=m.frequencies,
        spread=torch.complex(real, imaginary),
        length_scale=float(m.length_scale),
    )


CASES = [
    Case("sdm", {"locations": 40}, _nearest),
    Case("sdm", {"locations": 30, "top_k": 7, "norm": "hits"}, _nearest),
    Case("sdm", {"locations": 50, "activation": "radius"}, _within),
    Case("sdm", {"locations": 50, "activation": "radius", "radius": 2, "norm": "hits"}, _within),
    Case("hrr", {"width": 64}, _phase),
    Case("hrr", {"width": 10, "length_scale": 2.0}, _phase),
]
