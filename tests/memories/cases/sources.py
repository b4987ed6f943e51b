"""The published sources, reproduced."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.memories.case import Case, Recall
from tests.reference import (
    ar_context_drift_src,
    ar_gated_src,
    ar_graph_src,
    ar_meta_src,
    ar_rag_src,
    episodic_linear_src,
    episodic_matrix_src,
)


def slot_settings(m: Any) -> dict[str, Any]:
    """What the reference of the episodic memory needs to know of a built one."""
    shared = ("recency", "copies", "competes_unused", "trains_times", "orthogonality", "flipped")
    return {
        **{name: getattr(m.version, name) for name in shared},
        "rounds": m.rounds,
        "steps": m.inner_steps,
        "chunk": m.chunk,
        "learning_rate": m.learning_rate,
        "time_weight": m.time_weight,
        "initial": {
            "keys": m.initial_keys,
            "values": m.initial_values,
            "contexts": m.initial_contexts,
        },
    }


def _slots(m: Any) -> Recall:
    return partial(episodic_linear_src.recall, **slot_settings(m))


def _matrices(m: Any) -> Recall:
    settings = slot_settings(m.linear)
    keys = settings["initial"]["keys"]
    matrices = keys.reshape(len(keys), m.rows, keys.shape[1] // m.rows)
    settings["initial"] = {**settings["initial"], "keys": matrices}
    return partial(episodic_matrix_src.recall, **settings)


def _gated(m: Any) -> Recall:
    return partial(
        ar_gated_src.recall,
        capacity=m.capacity,
        decay=float(m.decay),
        drift_in=m.drift.drift_in,
        context_out=m.drift.context_out,
        gate=m.gate,
    )


def _meta(m: Any) -> Recall:
    return partial(
        ar_meta_src.recall, network=m.hypernetwork, scale=m.scale, value_aware=m.value_aware
    )


def _rag(m: Any) -> Recall:
    return partial(
        ar_rag_src.recall,
        capacity=m.capacity,
        top_k=m.top_k,
        query_in=m.query_in,
        attention=m.attention,
    )


def _graph(m: Any) -> Recall:
    return partial(
        ar_graph_src.recall,
        initial=m.initial_nodes,
        network=m.update,
        rate=m.update_rate,
        edge=m.edge,
        convolution=m.convolution,
        attention=m.attention,
    )


CASES = [
    Case("episodic-linear-src", {"preset": "v1", "capacity": 9}, _slots),
    Case("episodic-linear-src", {"preset": "v2", "capacity": 9}, _slots),
    Case("episodic-linear-src", {"preset": "v3", "capacity": 9}, _slots, composes=False),
    Case("episodic-linear-src", {"capacity": 9}, _slots, composes=False),
    Case(
        "episodic-linear-src", {"capacity": 25, "chunk": 1, "rounds": 1, "inner_steps": 2}, _slots
    ),
    # takes no step, so that reads do not depend on what was written
    Case("episodic-linear-src", {"preset": "v5", "capacity": 9}, _slots, differentiable=False),
    Case(
        "episodic-linear-src",
        {"preset": "v5", "capacity": 9, "rounds": 1, "inner_steps": 4, "chunk": 5},
        _slots,
        composes=False,
    ),
    Case("episodic-matrix-src", {"capacity": 9, "inner_steps": 2}, _matrices),
    Case(
        "ar-context-drift-src",
        reference=lambda _: ar_context_drift_src.recall,
        differentiable=False,
    ),
    Case("ar-gated-src", {"capacity": 7, "decay": 0.875}, _gated),
    Case("ar-meta-src", {"hidden": 12}, _meta),
    Case("ar-meta-src", {"hidden": 12, "value_aware": True}, _meta),
    Case("ar-rag-src", {"capacity": 12}, _rag),
    Case("ar-graph-src", {"capacity": 8, "update_rate": 0.125}, _graph),
]
