"""Multi-head attention of one query, head by head (Vaswani et al. 2017)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def attend(module: Any, query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """Output of the module's weights for one query and a list of pairs."""
    projected = {
        "q": module.query_in.weight @ query + module.query_in.bias,
        "k": [module.key_in.weight @ key + module.key_in.bias for key in keys],
        "v": [module.value_in.weight @ value + module.value_in.bias for value in values],
    }
    size = len(projected["q"]) // module.heads
    outputs = []
    for h in range(module.heads):
        part = slice(h * size, (h + 1) * size)
        scores = [projected["q"][part] @ key[part] / math.sqrt(size) for key in projected["k"]]
        weights = torch.stack(scores).softmax(0)
        outputs.append(sum(w * v[part] for w, v in zip(weights, projected["v"], strict=True)))
    return module.out.weight @ torch.cat(outputs) + module.out.bias
