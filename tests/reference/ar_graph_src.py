"""A graph of nodes that move towards a network's answer, one event at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.reference import cross_attention
from tests.reference.features import unit


def nodes_after(
    keys: Tensor, values: Tensor, *, initial: Tensor, network: Any, rate: float
) -> list[Tensor]:
    """The nodes after each event moved the one nearest to its key, the first of equals."""
    nodes = list(initial)
    for k, v in zip(keys, values, strict=True):
        cosines = [float((unit(k) @ unit(node)).detach()) for node in nodes]
        best = cosines.index(max(cosines))
        x = torch.cat([nodes[best], v])
        hidden = (network[0].weight @ x + network[0].bias).clamp(min=0)
        move = (network[2].weight @ hidden + network[2].bias).tanh()
        nodes[best] = nodes[best] + rate * move
    return nodes


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    initial: Tensor,
    network: Any,
    rate: float,
    edge: Tensor,
    convolution: Tensor,
    attention: Any,
) -> Tensor:
    """Attention to sum_k sigmoid(n_j W_e n_k) n_k W_g."""
    nodes = nodes_after(keys, values, initial=initial, network=network, rate=rate)
    convolved = []
    for node in nodes:
        total = torch.zeros_like(node)
        for other in nodes:
            total = total + (node @ edge @ other).sigmoid() * other
        convolved.append(total @ convolution)
    return torch.stack(
        [cross_attention.attend(attention, q, convolved, convolved) for q in queries]
    )
