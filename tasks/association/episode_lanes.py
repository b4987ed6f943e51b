"""The episodes of a block as lanes: each seed's memory once per episode, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from memories.base import State, state_floats
from tasks.association.storage import mark_storage
from tasks.base import Lanes, Outcome, Workbench


class EpisodeLanes:
    """Lanes of all seeds and episodes, and how their reads become one outcome per seed.

    Rows are seed-major: those of the s-th seed are s E to (s+1) E - 1.

    Args:
        bench: The block's workbench.
        dictated: What the task gives every memory.
        episodes: E, independent episodes per seed.

    Attributes:
        lanes: S E memories.
        generators: Source of each row's data.
        fresh: Their initial state.
        floats: State floats of one memory.
    """

    def __init__(self, bench: Workbench, dictated: Mapping[str, Any], episodes: int) -> None:
        self._bench = bench
        self._dictated = dictated
        self._episodes = episodes
        self._per_seed: Lanes = bench.lanes([dictated] * len(bench.seeds))
        self._finite: dict[str, Tensor] = {}
        self.lanes: Lanes = self._per_seed.repeat(episodes)
        self.fresh: State = self.lanes.init_state()
        self.floats = state_floats({name: entry[0] for name, entry in self.fresh.items()})
        self.generators = [
            bench.torch_rng(seed, "test", "episode", episode)
            for seed in bench.seeds
            for episode in range(episodes)
        ]

    def draw(self, make: Callable[[torch.Generator], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What `make` draws for each row's generator, stacked along the rows."""
        rows = [make(generator) for generator in self.generators]
        return tuple(torch.stack(part).to(self._bench.device) for part in zip(*rows, strict=True))

    def read(
        self,
        probe: str,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        """Reads [S E, Q, V] with zeros in place of what is not finite, which fails its seed."""
        width: int = self._dictated["value_dim"]
        return self.checked(
            probe, self.lanes.read(state, queries, times, contexts, value_dim=width)
        )

    def checked(self, probe: str, reads: Tensor) -> Tensor:
        """The same for reads that were made otherwise."""
        self._finite[probe] = reads.isfinite().all(-1).all(-1)
        return reads.nan_to_num(0.0, 0.0, 0.0)

    def outcomes(self, score: Callable[[slice], Outcome]) -> list[Outcome]:
        """One outcome per seed.

        Args:
            score: Makes a seed's outcome from its rows; not asked where a read was not finite.
        """
        made = []
        for seed in range(len(self._bench.seeds)):
            rows = slice(seed * self._episodes, (seed + 1) * self._episodes)
            bad = [name for name, fine in self._finite.items() if not bool(fine[rows].all())]
            made.append(
                Outcome("nonfinite", f"a read of probe {bad[0]} was not finite")
                if bad
                else score(rows)
            )
        mark_storage(made, self._bench, self._per_seed, self._dictated)
        return made


def mean(values: Tensor, rows: slice) -> float:
    """Mean over a seed's rows and all that follows."""
    return float(values[rows].double().mean())
