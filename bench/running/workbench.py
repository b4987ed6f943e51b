"""What the harness hands a task for one block: lanes, generators, caches, check-points."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
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
from memories.base import AssociativeMemory, BackboneSlot, Memory, OnlineForecaster

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
        """Train memories that have slow weights to train, or take the trained ones of the cache.

        Candidates that differ only in parameters of `Memory.after_fit` are trained as one.
        """
        if type(memories[0]).fit is Memory.fit:
            return
        lanes = np.arange(len(memories)).reshape(len(self.seeds), -1)
        for read, alike in self._alike(type(memories[0]).after_fit):
            of_seed = {s: memories[row[alike[0]]] for s, row in zip(self.seeds, lanes, strict=True)}
            key = {
                "made": "fitted memory",
                "memory": self.cell.memory,
                "params": read,
                "protocol": self.cell.protocol_hash,
                "code": self.cell.code,
                "engine": PROTOCOL_VERSION,
                "device": self.device.type,
            }
            build = partial(_fitted, of_seed, dict(zip(self.seeds, train, strict=True)))
            learned = self._cache.get(key, self.seeds, build)
            for seed, row in zip(self.seeds, lanes, strict=True):
                for candidate in alike:
                    _load(memories[row[candidate]], learned[seed])

    def _alike(self, after_fit: frozenset[str]) -> list[tuple[dict[str, Any], list[int]]]:
        """What `fit` reads of the parameters, and the candidates for which it reads the same."""
        groups: list[tuple[dict[str, Any], list[int]]] = []
        for index, candidate in enumerate(self.candidates):
            given = {**self.cell.memory_params, **candidate}
            read = {name: value for name, value in given.items() if name not in after_fit}
            known = next((members for params, members in groups if params == read), None)
            if known is None:
                groups.append((read, [index]))
            else:
                known.append(index)
        return groups

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
            return metatraining.train_cached(
                [cast(AssociativeMemory, of_seed[seed]) for seed in missing],
                missing,
                curriculum,
                metatraining.BUDGETS[self.cell.meta],
                device=str(self.device),
                keeper=self.keeper({**key, "seeds": list(missing)}),
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

    def backbone(self, choice: BackboneSlot) -> Callable[..., nn.Module]:
        return lambda **given: construct.build_backbone(choice, given)

    def keeper(self, key: Mapping[str, Any]) -> Checkpoint | None:
        return self._checkpoint.beside(digest(key)) if self._checkpoint else None

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


def _fitted(
    of_seed: Mapping[int, Memory], data: Mapping[int, Mapping[str, Tensor]], seeds_: Sequence[int]
) -> dict[int, dict[str, Tensor]]:
    """The entries of each seed's memory that its `fit` changed; the rest are as constructed."""
    found = {}
    for seed in seeds_:
        memory = of_seed[seed]
        before = {name: entry.clone() for name, entry in memory.state_dict().items()}
        memory.fit(data[seed], seeds.torch_generator(seed, seeds.META))
        after = memory.state_dict()
        found[seed] = {
            name: entry.clone()
            for name, entry in after.items()
            if name not in before or not torch.equal(entry, before[name])
        }
    return found


def _load(memory: Memory, learned: Mapping[str, Tensor]) -> None:
    """Give a memory what `fit` changed; its other entries, scalars above all, stay its own.

    Raises:
        TypeError: If `fit` registered what a new memory does not have.
    """
    unknown = memory.load_state_dict(learned, strict=False).unexpected_keys
    if unknown:
        raise TypeError(f"fit of {type(memory).__name__} registers {', '.join(unknown)}")


def candidates(tune: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """The settings to choose from, smallest values first; one empty setting without `tune`."""
    names = list(tune)
    ordered = [sorted(tune[name]) for name in names]
    return tuple(dict(zip(names, point, strict=True)) for point in itertools.product(*ordered))
