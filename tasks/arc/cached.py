"""Raw codes through the cache that all memories of a run share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from tasks.arc.codes import EpisodeCounts, Raw, raw_codes
from tasks.arc.episodes import MOST_DEMOS
from tasks.arc.families import FAMILIES
from tasks.base import Workbench


def shared_raw_codes(bench: Workbench, counts: EpisodeCounts | None = None) -> dict[int, Raw]:
    """The raw codes of each seed of the block, generated at most once.

    Their key holds all that they depend on beside the seed, so that tasks which differ in the
    number of demonstrations, in noise or in width find the same entry.

    Args:
        bench: Gives the seeds and keeps the codes.
        counts: Episodes per family; as in `raw_codes` if None.
    """
    counts = counts or EpisodeCounts()
    key = {
        "made": "raw codes of episodes",
        "families": [family.name for family in FAMILIES],
        "episodes": asdict(counts),
        "demos": MOST_DEMOS,
    }

    def build(missing: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        made: dict[int, dict[str, Tensor]] = {}
        for done, seed in enumerate(missing):
            bench.progress(done, len(missing))
            raw = raw_codes(seed, counts=counts)
            made[seed] = {name: torch.from_numpy(part) for name, part in raw.items()}
        return made

    kept = bench.shared(key, bench.seeds, build)
    return {
        seed: {name: tensor.cpu().numpy() for name, tensor in kept[seed].items()}
        for seed in bench.seeds
    }
