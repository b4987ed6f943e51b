"""Sequence models with a memory beside them."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.nn.functional import softplus

from tests.memories.case import Recall
from tests.memories.trained import Trained
from tests.reference import ar_fast_weights, ring_attention, xf_episodic, xf_multiscale

SMALL: dict[str, Any] = {"window": 4, "layers": 2, "heads": 2, "head_dim": 3}


def _episodic(m: Any) -> Recall:
    if hasattr(m.memory, "beta"):
        inner = partial(ring_attention.recall, capacity=m.memory.capacity)
    else:
        strength = softplus(m.memory.strength_logit)
        inner = partial(ar_fast_weights.recall, rule="delta", strength=strength)
    return partial(
        xf_episodic.recall, slow=dict(m.named_parameters()), heads=SMALL["heads"], inner=inner
    )


def _multiscale(m: Any) -> Recall:
    return partial(
        xf_multiscale.recall,
        slow=dict(m.named_parameters()),
        heads=SMALL["heads"],
        scales=m.scales,
        capacity=m.capacity,
    )


CASES = [
    Trained("xf-episodic", SMALL, _episodic),
    Trained(
        "xf-episodic",
        {**SMALL, "window": 1, "layers": 1},
        _episodic,
        inner=("ring-attention", (("capacity", 7),)),
    ),
    Trained("xf-multiscale", {**SMALL, "scales": (1, 6, 11)}, _multiscale),
    Trained("xf-multiscale", {**SMALL, "capacity": 5, "scales": (1, 7)}, _multiscale),
]
