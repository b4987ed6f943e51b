"""A recurrent cell of torch over the events, and a network that is asked for values."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import gelu


def recall(
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    *,
    cell: type[nn.LSTMCell] | type[nn.GRUCell],
    weights: dict[str, Tensor],
    layers: list[tuple[Tensor, Tensor]],
) -> Tensor:
    """Two GELU layers and a linear one on [h; q], h after a step of the cell per event.

    Args:
        keys: [N, D].
        values: [N, V].
        queries: [Q, D].
        cell: The cell's class.
        weights: Its weights by torch's names.
        layers: Weights [inputs, outputs] and biases of the three layers.
    """
    hidden = weights["weight_hh"].shape[1]
    # made without storage, so that no weight is drawn
    module = cell(keys.shape[1] + values.shape[1], hidden, device="meta")
    vectors = [keys.new_zeros(hidden), keys.new_zeros(hidden)]
    for k, v in zip(keys, values, strict=True):
        past = tuple(vectors) if cell is nn.LSTMCell else vectors[0]
        now = functional_call(module, weights, (torch.cat([k, v]), past))
        vectors = list(now) if cell is nn.LSTMCell else [now]
    recalled = []
    for q in queries:
        out = torch.cat([vectors[0], q])
        for i, (matrix, bias) in enumerate(layers):
            out = (out if i == 0 else gelu(out)) @ matrix + bias
        recalled.append(out)
    return torch.stack(recalled)
