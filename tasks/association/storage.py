"""Whether a memory stores anything: other values under the same keys must change its answers.

A memory whose reads do not depend on the values written is at chance wherever recall is asked
for. Its row says so, lest that be taken for a memory that stores a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.association.keys import unit_keys
from tasks.base import Lanes, Outcome, Workbench

STORES_NOTHING = "stores nothing"
"""The mark of such a memory's row."""
WARNING = (
    "its answers do not depend on the values written: it stores nothing that could be recalled"
)
EVENTS = 8


def ignores_values(lanes: Lanes, dictated: Mapping[str, Any], generator: torch.Generator) -> bool:
    """Whether the first lane's reads are bit-identical whatever values were written.

    Args:
        lanes: Memories, of which the first is probed.
        dictated: What the task gave their constructors; the sizes are used.
        generator: Source of the probe's events.
    """
    return bool(ignoring(lanes.select([0]), dictated, generator).item())


def ignoring(lanes: Lanes, dictated: Mapping[str, Any], generator: torch.Generator) -> Tensor:
    """Per lane whether its reads ignore the values written, bool [S].

    Eight events are written twice from the initial state, with the same keys, times and contexts
    but other values; each time the eight keys are read as they were written.

    Args:
        lanes: Memories to probe.
        dictated: What the task gave their constructors; the sizes are used.
        generator: Source of the probe's events, the same for all lanes.
    """
    fresh = lanes.init_state()
    device = next(iter(fresh.values())).device

    def drawn(width: int) -> Tensor:
        events = unit_keys(generator, EVENTS, width).to(device)
        return events.expand(lanes.size, -1, -1)

    keys = drawn(dictated["key_dim"])
    contexts = drawn(dictated["context_dim"]) if dictated.get("context_dim") else None
    times = None
    if lanes.memory.uses_time:
        times = torch.arange(EVENTS, dtype=keys.dtype, device=device).expand(lanes.size, -1)
    reads = [
        lanes.read(
            lanes.write(fresh, keys, drawn(dictated["value_dim"]), times, contexts),
            keys,
            times,
            contexts,
        )
        for _ in range(2)
    ]
    return (reads[0] == reads[1]).all(-1).all(-1)


def mark_storage(
    outcomes: Sequence[Outcome], bench: Workbench, lanes: Lanes, dictated: Mapping[str, Any]
) -> None:
    """Mark, and warn of, the outcomes of seeds whose memory stores nothing.

    Args:
        outcomes: One per seed of the block, added to in place; those that are not ok stay.
        bench: The block's workbench.
        lanes: One memory per seed.
        dictated: What the task gave their constructors.
    """
    # one seed's generator for all blocks: the verdict must not depend on which seeds share one
    generator = bench.torch_rng(0, "test", "storage")
    for outcome, ignored in zip(outcomes, ignoring(lanes, dictated, generator), strict=True):
        if outcome.status == "ok" and bool(ignored):
            outcome.marks = (*outcome.marks, STORES_NOTHING)
            outcome.notes["warnings"] = [*outcome.notes.get("warnings", ()), WARNING]
