"""What the harness hands a task for one block: lanes, generators, caches, check-points."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from bench import fingerprint, registry, seeds
from bench.lanes import Lanes
from bench.plan import PROTOCOL_VERSION, Cell
from bench.reading import params, values
from bench.running import construct, metatraining
from bench.running.cache import Cache, digest
from bench.running.checkpoint import Checkpoint
from bench.running.metatraining import MetaTraining
from memories.base import AssociativeMemory, Memory, OnlineForecaster

STREAMS = {"validation": seeds.VALIDATION, "test": seeds.TEST}

Progress = Callable[[int, int], None]


class Workbench:
    """The block's view of the harness; see `tasks.base.Workbench` for what each method promises.

    Args:
        cell: Memory and task of the block.
        block_seeds: Its seeds, one lane each.
        device: Torch device name.
        cache: Where shared tensors are kept.
        checkpoint: Where the block goes on from, or None if it cannot.
        progress: Receives (done, total).
    """

    def __init__(
        self,
        cell: Cell,
        block_seeds: Sequence[int],
        *,
        device: str = "cpu",
        cache: Cache | None = None,
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.cell = cell
        self.seeds = tuple(block_seeds)
        self.device = torch.device(device)
        self.candidates = candidates(cell.tune)
        self.built: Lanes | None = None
        self.trainings: dict[int, MetaTraining] = {}
        self._cache = cache or Cache()
        self._checkpoint = checkpoint
        self._progress = progress

    def lanes(
        self,
        dictated: Sequence[Mapping[str, Any]],
        *,
        train: Sequence[Mapping[str, Tensor]] | None = None,
    ) -> Lanes:
        memories = [
            construct.build_memory(
                self.cell.memory,
                {**self.cell.memory_params, **candidate},
                given,
                seeds.torch_generator(seed, seeds.INIT),
            )
            for seed, given in zip(self.seeds, dictated, strict=True)
            for candidate in self.candidates
        ]
        if train is not None:
            self._fit(memories, train)
        if self.cell.meta != "none":
            self.trainings = self._meta_train(memories, dictated[0])
        # a stream makes the same two calls at every origin
        traced = isinstance(memories[0], OnlineForecaster)
        self.built = Lanes(memories, device=str(self.device), traced=traced)
        return self.built

    def _fit(self, memories: Sequence[Memory], train: Sequence[Mapping[str, Tensor]]) -> None:
        """Train memories that have slow weights to train, or take the trained ones of the cache."""
        if type(memories[0]).fit is Memory.fit:
            return
        per_seed = len(self.candidates)
        for index, candidate in enumerate(self.candidates):
            of_seed = {s: memories[i * per_seed + index] for i, s in enumerate(self.seeds)}
            data = dict(zip(self.seeds, train, strict=True))

            def build(
                missing: Sequence[int],
                of_seed: dict[int, Memory] = of_seed,
                data: dict[int, Mapping[str, Tensor]] = data,
            ) -> dict[int, dict[str, Tensor]]:
                for seed in missing:
                    of_seed[seed].fit(data[seed], seeds.torch_generator(seed, seeds.META))
                return {seed: dict(of_seed[seed].state_dict()) for seed in missing}

            key = {
                "made": "fitted memory",
                "memory": self.cell.memory,
                "params": {**self.cell.memory_params, **candidate},
                "protocol": self.cell.protocol_hash,
                "code": self.cell.code,
            }
            for seed, weights in self._cache.get(key, self.seeds, build).items():
                of_seed[seed].load_state_dict(weights)

    def _meta_train(
        self, memories: Sequence[Memory], dictated: Mapping[str, Any]
    ) -> dict[int, MetaTraining]:
        """Give each memory the weights it has after meta-training, by seed what became of it."""
        entry = registry.get("memory", self.cell.memory)
        curriculum = construct.build_task(self.cell.task, self.cell.task_params).curriculum()
        if curriculum is None:  # the plan refuses such a pair
            raise TypeError(f"{self.cell.task} has no training episodes")
        files = [*values.source_files(entry, self.cell.memory_params)]
        files.append(Path(inspect.getfile(type(curriculum))))
        taken = set(params.dictated(entry)) & dictated.keys()
        key = {
            "made": "meta-trained weights",
            "memory": self.cell.memory,
            "params": dict(self.cell.memory_params),
            "dictated": {name: dictated[name] for name in sorted(taken)},
            "budget": asdict(metatraining.BUDGETS[self.cell.meta]),
            "curriculum": curriculum.identity(),
            "code": digest([fingerprint.code_fingerprint(file) for file in sorted(set(files))]),
            "engine": PROTOCOL_VERSION,
            "device": self.device.type,
        }
        of_seed = dict(zip(self.seeds, memories, strict=True))

        def build(missing: Sequence[int]) -> dict[int, dict[str, Tensor]]:
            keeper = (
                self._checkpoint.beside(digest([key, list(missing)])) if self._checkpoint else None
            )
            return metatraining.train_cached(
                [cast(AssociativeMemory, of_seed[seed]) for seed in missing],
                missing,
                curriculum,
                metatraining.BUDGETS[self.cell.meta],
                device=str(self.device),
                keeper=keeper,
                progress=self.progress,
            )

        found = self._cache.get(key, self.seeds, build)
        return {
            seed: metatraining.MetaTraining.restore(of_seed[seed], tensors)
            for seed, tensors in found.items()
        }

    def rng(self, seed: int, split: str, *key: int | str) -> np.random.Generator:
        return seeds.numpy_generator(seed, STREAMS[split], self.cell.task, *key)

    def torch_rng(self, seed: int, split: str, *key: int | str) -> torch.Generator:
        return seeds.torch_generator(seed, STREAMS[split], self.cell.task, *key)

    def init_rng(self, seed: int) -> torch.Generator:
        return seeds.torch_generator(seed, seeds.INIT)

    def shared(
        self,
        key: Mapping[str, Any],
        wanted: Sequence[int],
        build: Callable[[Sequence[int]], dict[int, dict[str, Tensor]]],
    ) -> dict[int, dict[str, Tensor]]:
        code = [fingerprint.code_fingerprint(registry.get("task", self.cell.task).file)]
        if isinstance(name := key.get("backbone"), str):
            code.append(fingerprint.code_fingerprint(registry.get("backbone", name).file))
        full = {**key, "task": self.cell.task, "code": digest(code), "device": self.device.type}
        return self._cache.get(full, wanted, build)

    def backbone(self, name: str) -> Callable[..., nn.Module]:
        built: Callable[..., nn.Module] = registry.get("backbone", name).cls
        return built

    def resume(self) -> tuple[dict[str, Tensor], int] | None:
        kept = self._checkpoint.load() if self._checkpoint else None
        if kept is None:
            return None
        return {name: tensor.to(self.device) for name, tensor in kept[0].items()}, kept[1]

    def checkpoint(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        if self._checkpoint:
            self._checkpoint.offer(position, tensors)

    def progress(self, done: int, total: int) -> None:
        if self._progress:
            self._progress(done, total)


def candidates(tune: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """The settings to choose from, smallest values first; one empty setting without `tune`."""
    names = list(tune)
    ordered = [sorted(tune[name]) for name in names]
    return tuple(dict(zip(names, point, strict=True)) for point in itertools.product(*ordered))
