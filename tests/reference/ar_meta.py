"""The learned write rule, one event at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tests.reference.features import unit


def recall(keys: Tensor, values: Tensor, queries: Tensor, *, slow: Mapping[str, Tensor]) -> Tensor:
    """unit(q P) F after F <- decay F + strength unit(k' + dk)^T (e + de) at every event.

    The first layer sees key, value and error; its bias belongs to the part for key and value.
    """
    d, width = keys.shape[1], values.shape[1]
    memory = torch.zeros(d, width, dtype=values.dtype)
    for k, v in zip(keys, values, strict=True):
        address = unit(k @ slow["key_in"])
        error = v - address @ memory
        first = torch.cat([slow["known_in.weight"], slow["error_in.weight"]])
        seen = torch.cat([unit(k), unit(v), unit(error)])
        h = (seen @ first + slow["known_in.bias"]).clamp(min=0)
        h = (h @ slow["between.weight"] + slow["between.bias"]).clamp(min=0)
        heads = h @ slow["heads.weight"]
        strength = 1 / (1 + (-slow["write_logit"] - heads[0]).exp())
        decay = 1 / (1 + (-slow["decay_logit"] - heads[1]).exp())
        bound = unit(address + heads[2 : 2 + d])
        memory = decay * memory + strength * torch.outer(bound, error + heads[2 + d :])
    return torch.stack([unit(q @ slow["key_in"]) @ memory for q in queries])
