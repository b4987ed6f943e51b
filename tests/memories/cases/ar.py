"""The AR family."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.nn.functional import softplus

from tests.memories.case import Case, Recall
from tests.reference import ar_fast_weights, ar_fast_weights_src, ar_rag


def _fast_weights(m: Any) -> Recall:
    return partial(
        ar_fast_weights.recall,
        rule=m.rule,
        strength=softplus(m.strength_logit),
        decay=1.0 if m.decay_logit is None else m.decay_logit.sigmoid(),
        key_in=m.key_in,
        value_in=m.value_in,
        value_out=m.value_out,
        elu1=m.normalise,
    )


def _fast_weights_src(m: Any) -> Recall:
    return partial(
        ar_fast_weights_src.recall,
        key_in=m.key_in,
        value_in=m.value_in,
        query_in=m.query_in,
        strength=float(m.write_strength),
    )


CASES = [
    Case("ar-fast-weights", {}, _fast_weights),
    Case("ar-fast-weights", {"rule": "delta", "write_strength": 0.7}, _fast_weights),
    Case(
        "ar-fast-weights", {"rule": "delta", "learn_decay": True, "proj": "learned"}, _fast_weights
    ),
    Case("ar-fast-weights", {"proj": "orthonormal", "learn_decay": True}, _fast_weights),
    Case("ar-fast-weights", {"feature": "elu1", "learn_decay": True}, _fast_weights),
    Case("ar-fast-weights-src", {}, _fast_weights_src),
    Case("ar-rag", {"capacity": 20}, lambda _: partial(ar_rag.recall, capacity=20)),
    Case(
        "ar-rag",
        {"capacity": 7, "top_k": 3, "proj": "learned"},
        lambda m: partial(ar_rag.recall, capacity=7, top_k=3, projection=m.projection),
    ),
]
