"""The AR family."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.nn.functional import softplus

from tests.memories.case import Case, Recall
from tests.memories.trained import Trained
from tests.reference import (
    ar_context_drift,
    ar_fast_weights,
    ar_fast_weights_src,
    ar_gated,
    ar_graph,
    ar_meta,
    ar_rag,
)


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


def _meta(m: Any) -> Recall:
    return partial(ar_meta.recall, slow=dict(m.named_parameters()))


def _graph(m: Any) -> Recall:
    return partial(
        ar_graph.recall,
        capacity=m.capacity,
        merge_above=float(m.merge_above),
        merge_span=m.merge_span,
        edge_decay=float(m.edge_decay),
        spread=0.0 if m.spread_logit is None else m.spread_logit.sigmoid(),
    )


def _gated(m: Any) -> Recall:
    return partial(
        ar_gated.recall,
        slow=dict(m.named_parameters()),
        policy=m.policy,
        fast=m.target == "fast-weights",
        capacity=m.capacity,
    )


def _drift(m: Any) -> Recall:
    return partial(
        ar_context_drift.recall,
        slow=dict(m.named_parameters()),
        capacity=m.capacity,
        cue_with_state=m.cue_with_state,
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
    Case("ar-meta", {}, _meta),
    Trained("ar-meta", {"hidden": 11}, _meta),
    Case("ar-graph", {"capacity": 16}, _graph),
    Case("ar-graph", {"capacity": 7, "merge_above": 0.5, "merge_span": 3}, _graph),
    Trained(
        "ar-graph",
        {"capacity": 9, "merge_above": 0.75, "learn_spread": True},
        _graph,
        distance=2.0,
    ),
    Case("ar-gated", {}, _gated),
    Trained("ar-gated", {"context_dim": 3, "capacity": 9}, _gated, distance=0.5),
    Trained("ar-gated", {"capacity": 7, "policy": "hard"}, _gated, distance=0.5),
    Trained("ar-gated", {"target": "fast-weights"}, _gated, distance=0.5),
    Trained(
        "ar-gated",
        {"target": "fast-weights", "policy": "hard"},
        _gated,
        distance=0.5,
    ),
    Case("ar-context-drift", {"capacity": 20}, _drift),
    Trained("ar-context-drift", {"context_dim": 4, "capacity": 7}, _drift),
    Case("ar-context-drift", {"cue_with_state": False}, _drift),
]
