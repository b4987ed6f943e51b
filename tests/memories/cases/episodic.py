"""The episodic family."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from tests.memories.case import Case, Recall
from tests.reference import episodic_linear, episodic_matrix, episodic_moe, hier_linear
from tests.reference.episodic_linear import cosine, scales
from tests.reference.features import unit


def _projected(m: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x if m.projection is None else unit(x) @ m.projection


def _kron(m: Any, metric: Any) -> Callable[[Tensor], Tensor]:
    mapped = episodic_matrix.kron(m.rows, metric.left, metric.right)
    return lambda x: mapped(unit(_projected(m)(x)))


def linear(m: Any) -> Recall:
    address = _projected(m) if getattr(m, "metric", None) is None else _kron(m, m.metric)
    return partial(
        episodic_linear.recall,
        capacity=m.capacity,
        scale=scales(m),
        address=address,
        top1=m.query_policy == "top1",
        depth=m.depth,
    )


def rowwise(m: Any) -> Recall:
    return partial(
        episodic_matrix.rowwise,
        rows=m.rows,
        capacity=m.capacity,
        scale=scales(m),
        top1=m.query_policy == "top1",
    )


def tree(m: Any) -> Recall:
    rules = hier_linear.Rules(
        levels=m.tree.levels + 1,
        fan_out=m.tree.fan_out,
        gap=float(m.gap),
        context_threshold=float(m.context_threshold),
        space=m.has_positions,
    )

    def address(x: Tensor, level: int) -> Tensor:
        return _kron(m, m.metrics[level])(x) if hasattr(m, "metrics") else _projected(m)(x)

    def summary(mean: Tensor, level: int) -> Tensor:
        return mean if m.summaries is None else mean + mean @ m.summaries[level - 1]

    return partial(
        hier_linear.recall,
        capacity=m.capacity,
        scale=scales(m),
        ancestor_weight=m.ancestor_weight,
        rules=rules,
        level=m.level,
        address=address,
        summary=summary,
        top1=m.query_policy == "top1",
    )


def mixture(m: Any) -> Recall:
    plain, rows, hier, matrix = m.experts

    def by_rows(q: Tensor, k: Tensor) -> Tensor:
        q, k = q.reshape(rows.rows, -1), k.reshape(rows.rows, -1)
        return sum(cosine(a, b) for a, b in zip(q, k, strict=True)) / rows.rows

    def by_metric(q: Tensor, k: Tensor) -> Tensor:
        address = _kron(matrix, matrix.metrics[0])
        return cosine(address(q), address(k))

    return partial(
        episodic_moe.recall,
        experts=[
            episodic_moe.Expert(linear(plain), cosine, plain.capacity),
            episodic_moe.Expert(rowwise(rows), by_rows, rows.capacity, rows.rows),
            episodic_moe.Expert(tree(hier), cosine, hier.capacity),
            episodic_moe.Expert(tree(matrix), by_metric, matrix.capacity),
        ],
        router=episodic_moe.Router(m.hidden_in, m.hidden_bias, m.out, m.out_bias),
        capacity=m.capacity,
        top_k=None if m.top_k == len(m.experts) else m.top_k,
    )


def _case(name: str, reference: Callable[[Any], Recall], **params: Any) -> Case:
    # the value of the best slot alone has the gradient of the softmax, on purpose
    smooth = params.get("query_policy") != "top1" and params.get("mode") != "top-k"
    return Case(name, {"context_dim": 0, **params}, reference, differentiable=smooth)


CASES = [
    _case("episodic-linear", linear),
    _case("episodic-linear", linear, capacity=7, project_keys=True, beta=4.0),
    _case("episodic-linear", linear, capacity=9, query_policy="top1"),
    _case("episodic-matrix", linear, capacity=7),
    _case("episodic-matrix", linear, capacity=20, rows=3, project_keys=True),
    _case("episodic-matrix", rowwise, capacity=7, address="rowwise"),
    _case("episodic-matrix", rowwise, capacity=9, address="rowwise", rows=3, query_policy="top1"),
    _case("hier-linear", tree, capacity=20),
    _case("hier-linear", tree, capacity=7, fan_out=2, levels=5, learn_summary=True),
    _case("hier-linear", tree, capacity=6, fan_out=2, ancestor_weight=2.0, project_keys=True),
    _case("hier-linear", tree, capacity=7, fan_out=3, level=2),
    _case("hier-matrix", tree, capacity=7, fan_out=3, rows=3),
    _case("hier-matrix", tree, capacity=9, fan_out=2, level=1, query_policy="top1"),
    _case("episodic-moe", mixture, capacity=22),
    _case("episodic-moe", mixture, capacity=40, mode="top-k", top_k=2),
]
