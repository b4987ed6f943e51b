"""How an error bank is filled and used, and what a read of it found, as scalars."""

from __future__ import annotations

import torch
from torch import Tensor

from memories.base import State
from memories.slots.bank_search import Recalled

MOST_USED = 100
"""The most used slots are one in so many."""


def of_bank(state: State) -> dict[str, Tensor]:
    """What the state of a bank says; zeros while it is empty.

    ``utilisation`` of its slots, ``mean_age`` in writes, the newest event's being 1, and
    ``evicted``, the number of events no longer there. Where the bank ranks its slots also
    ``mean_importance``, ``mean_hits``, and ``top_hits``, the share of all hits that went to the
    most used hundredth of the slots.
    """
    used, like = state["index"] >= 0, state["keys"]
    number = used.sum()

    def mean(entry: Tensor) -> Tensor:
        return torch.where(used, entry, 0).sum().to(like.dtype) / number.clamp(min=1)

    found = {
        "utilisation": used.to(like.dtype).mean(),
        "mean_age": mean(state["count"] - state["index"]),
        "evicted": (state["count"] - number).to(like.dtype),
    }
    if "hits" in state:
        hits = torch.where(used, state["hits"], 0.0)
        most = hits.topk(max(1, len(hits) // MOST_USED)).values.sum()
        found["mean_importance"] = mean(state["importance"])
        found["mean_hits"] = mean(state["hits"])
        found["top_hits"] = most / hits.sum().clamp(min=1)
    return found


def of_recall(recalled: Recalled, weights: Tensor) -> dict[str, Tensor]:
    """What one query found; zeros where nothing is valid.

    ``valid_share`` of what was retrieved, ``top_similarity``, ``retrieved_age``, the mean over
    the valid entries, ``oldest_age`` of them, and ``effective_entries``, e to the entropy of the
    weights.

    Args:
        recalled: Of one query.
        weights: [K], as the bank's `weights` gives them.
    """
    valid, like = recalled.valid, recalled.similarity
    age = torch.where(valid, recalled.age.to(like.dtype), 0.0)
    entropy = -torch.special.xlogy(weights, weights).sum()
    return {
        "valid_share": valid.to(like.dtype).mean(),
        "top_similarity": like[0],
        "retrieved_age": age.sum() / valid.sum().clamp(min=1),
        "oldest_age": age.amax(),
        "effective_entries": torch.where(valid.any(), entropy.exp(), 0.0),
    }
