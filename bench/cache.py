"""Results that several trials share: pre-trained backbones and fitted memories, by content.

Each entry is a folder named by a hash over everything its tensors depend on but the seed; in it
stands one safetensors file per group of seeds that was built together. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

if TYPE_CHECKING:
    from torch import Tensor

KEY_FILE = "key.json"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the text that keys are hashed over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 16) -> str:
    """First hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


@dataclass(frozen=True)
class CacheEntry:
    """One folder of the cache.

    Attributes:
        name: The hash it is named by.
        key: What its tensors depend on.
        seeds: Seeds it holds.
        bytes: Size on disk.
        used: Time of last use, seconds since the epoch.
    """

    name: str
    key: Mapping[str, Any]
    seeds: tuple[int, ...]
    bytes: int
    used: float

    @property
    def subject(self) -> str:
        """What was trained, in words."""
        words = ("memory", "backbone", "dataset", "lookback", "horizon")
        return " ".join(f"{word}={self.key[word]}" for word in words if word in self.key)


class Cache:
    """Tensors per seed under content keys.

    Args:
        root: Folder; the user's cache if None.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or user_cache_path("memb") / "shared"

    def get(
        self,
        key: Mapping[str, Any],
        seeds: Sequence[int],
        build: Callable[[Sequence[int]], dict[int, dict[str, Tensor]]],
    ) -> dict[int, dict[str, Tensor]]:
        """The tensors of each seed, built for those that are not there yet.

        A second process that wants the same waits for the first. Seeds built together land in one
        file by one rename, so that a kill never leaves half a group behind.
        """
        from filelock import FileLock

        folder = self.root / digest(key)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            found = self._load(folder, seeds)
            missing = [seed for seed in seeds if seed not in found]
            if missing:
                built = build(missing)
                self._save(folder, key, built)
                found |= built
            os.utime(folder)
        return {seed: found[seed] for seed in seeds}

    def _load(self, folder: Path, seeds: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        from safetensors.torch import load_file

        found: dict[int, dict[str, Tensor]] = {}
        for file in sorted(folder.glob("seeds-*.safetensors")):
            held = _seeds_in(file)
            if not held & (set(seeds) - found.keys()):
                continue
            for name, tensor in load_file(file).items():
                seed, _, entry = name.partition("/")
                if int(seed) in seeds:
                    found.setdefault(int(seed), {})[entry] = tensor
        return found

    def _save(
        self, folder: Path, key: Mapping[str, Any], built: Mapping[int, dict[str, Tensor]]
    ) -> None:
        from safetensors.torch import save_file

        (folder / KEY_FILE).write_text(canonical(key), encoding="utf-8")
        name = "seeds-" + "-".join(str(seed) for seed in sorted(built)) + ".safetensors"
        temporary = folder / f".{os.getpid()}.tmp"
        flat = {
            f"{s}/{k}": t.contiguous() for s, tensors in built.items() for k, t in tensors.items()
        }
        save_file(flat, temporary)
        temporary.replace(folder / name)

    def entries(self) -> list[CacheEntry]:
        """What the cache holds, most recently used first."""
        if not self.root.exists():
            return []
        return sorted(
            (_entry(folder) for folder in self.root.iterdir() if (folder / KEY_FILE).exists()),
            key=lambda entry: -entry.used,
        )

    def prune(self, older_than_s: float, now: float) -> list[CacheEntry]:
        """Delete entries not used for that long; those deleted."""
        stale = [entry for entry in self.entries() if now - entry.used >= older_than_s]
        for entry in stale:
            shutil.rmtree(self.root / entry.name)
        return stale


def _seeds_in(file: Path) -> set[int]:
    return {int(word) for word in file.stem.removeprefix("seeds-").split("-")}


def _entry(folder: Path) -> CacheEntry:
    files = list(folder.glob("seeds-*.safetensors"))
    return CacheEntry(
        folder.name,
        json.loads((folder / KEY_FILE).read_text(encoding="utf-8")),
        tuple(sorted(set().union(*(_seeds_in(file) for file in files)))) if files else (),
        sum(file.stat().st_size for file in files),
        folder.stat().st_mtime,
    )
