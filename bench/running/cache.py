"""Results that several trials share: pre-trained backbones and fitted memories, by content.

Each entry is a folder named by a hash over everything its tensors depend on but the seed; in it
stands one safetensors file per group of seeds that was built together. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from bench.errors import StorageError

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

        Raises:
            StorageError: If the cache cannot be written.
        """
        folder = self.root / digest(key)
        with self._held(folder):
            found = self._load(folder, seeds)
            missing = [seed for seed in seeds if seed not in found]
            if missing:
                built = build(missing)
                with _as_storage_error(folder):
                    self._save(folder, key, built)
                found |= built
        return {seed: found[seed] for seed in seeds}

    @contextlib.contextmanager
    def _held(self, folder: Path) -> Iterator[None]:
        """Hold a folder, marked as used now, against other processes."""
        from filelock import FileLock

        lock = FileLock(folder / ".lock")
        with _as_storage_error(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
            with _as_storage_error(folder):
                os.utime(folder)
        finally:
            lock.release()

    def _load(self, folder: Path, seeds: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        found: dict[int, dict[str, Tensor]] = {}
        for file in sorted(folder.glob("seeds-*.safetensors")):
            held = _seeds_in(file)
            if not held & (set(seeds) - found.keys()):
                continue
            try:
                tensors = load_file(file)
            except SafetensorError:  # damaged on disk: built again, as anything that is not there
                continue
            for name, tensor in tensors.items():
                seed, _, entry = name.partition("/")
                if int(seed) in seeds:
                    found.setdefault(int(seed), {})[entry] = tensor
        return found

    def _save(
        self, folder: Path, key: Mapping[str, Any], built: Mapping[int, dict[str, Tensor]]
    ) -> None:
        from safetensors.torch import save_file

        temporary = folder / f".{os.getpid()}.tmp"
        temporary.write_text(canonical(key), encoding="utf-8")
        temporary.replace(folder / KEY_FILE)
        name = "seeds-" + "-".join(str(seed) for seed in sorted(built)) + ".safetensors"
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


@contextlib.contextmanager
def _as_storage_error(folder: Path) -> Iterator[None]:
    """A full or read-only cache stops the run: it is no trial's fault."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as err:
        reason = err.strerror if isinstance(err, OSError) else None
        raise StorageError(
            f"cannot write to the cache {folder}: {reason or err}",
            help="free some space, or name a writable folder in XDG_CACHE_HOME",
        ) from err


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
