"""The graph of merged events, one event, node and edge at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.reference.features import unit


@dataclass
class Node:
    key: Tensor
    value: Tensor
    merged: int
    touched: int


@dataclass
class Graph:
    """Nodes by place, edges by (from, to), and the place of the newest event."""

    nodes: dict[int, Node] = field(default_factory=dict)
    edges: dict[tuple[int, int], float] = field(default_factory=dict)
    last: int | None = None

    def share(self, start: int, end: int) -> float:
        """Weight of an edge among all that leave its start."""
        total = sum(weight for (source, _), weight in self.edges.items() if source == start)
        return self.edges.get((start, end), 0.0) / total if total else 0.0


def written(
    keys: Tensor,
    values: Tensor,
    *,
    capacity: int,
    merge_above: float = 0.95,
    merge_span: int | None = None,
    edge_decay: float = 0.99,
) -> Graph:
    """The graph after the events."""
    graph = Graph()
    for number, (k, v) in enumerate(zip(keys, values, strict=True)):
        key = unit(k)
        cosines = {
            place: float(unit(n.key).detach() @ key.detach()) for place, n in graph.nodes.items()
        }
        best = max(cosines, key=lambda place: cosines[place]) if cosines else None
        if best is not None and cosines[best] >= merge_above:
            place, node = best, graph.nodes[best]
            weight = 1 / min(node.merged + 1, merge_span or node.merged + 1)
            node.key = (1 - weight) * node.key + weight * key
            node.value = (1 - weight) * node.value + weight * v
            node.merged += 1
            node.touched = number
        else:
            place = len(graph.nodes)
            if place == capacity:
                place = min(graph.nodes, key=lambda p: graph.nodes[p].touched)
                graph.edges = {e: w for e, w in graph.edges.items() if place not in e}
                graph.last = None if graph.last == place else graph.last
            graph.nodes[place] = Node(key, v, 1, number)
        graph.edges = {edge: edge_decay * weight for edge, weight in graph.edges.items()}
        if graph.last is not None:
            edge = (graph.last, place)
            graph.edges[edge] = graph.edges.get(edge, 0.0) + 1
        graph.last = place
    return graph


def weights(graph: Graph, query: Tensor, beta: float) -> dict[int, Tensor]:
    """Softmax of beta cos over the nodes."""
    if not graph.nodes:
        return {}
    places = sorted(graph.nodes)
    logits = torch.stack([beta * (unit(query) @ unit(graph.nodes[p].key)) for p in places])
    return dict(zip(places, logits.softmax(0), strict=True))


def followed(graph: Graph, attention: dict[int, Tensor]) -> dict[int, Tensor]:
    """Attention after one step along the edges."""
    return {
        end: sum(
            (attention[start] * graph.share(start, end) for start in attention), torch.zeros(())
        )
        for end in attention
    }


def mixture(graph: Graph, attention: dict[int, Tensor], like: Tensor) -> Tensor:
    """Values weighted by attention."""
    total = torch.zeros_like(like)
    for place, weight in attention.items():
        total = total + weight * graph.nodes[place].value
    return total


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    beta: float = 16.0,
    spread: Tensor | float = 0.0,
    **rules: object,
) -> Tensor:
    """((1 - spread) a + spread a A) values for a = softmax(beta cos)."""
    graph = written(keys, values, **rules)
    recalled = []
    for q in queries:
        direct = weights(graph, q, beta)
        along = followed(graph, direct)
        mixed = {p: (1 - spread) * direct[p] + spread * along[p] for p in direct}
        recalled.append(mixture(graph, mixed, values[0]))
    return torch.stack(recalled)


def successor(
    keys: Tensor, values: Tensor, queries: Tensor, *, beta: float = 16.0, **rules: object
) -> Tensor:
    """a A values."""
    graph = written(keys, values, **rules)
    return torch.stack(
        [mixture(graph, followed(graph, weights(graph, q, beta)), values[0]) for q in queries]
    )
