"""Where a long block goes on after a kill: its lanes' state, written now and then."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bench.errors import StorageError

EVERY_S = 60.0
"""Default seconds between two check-points of a block."""


class Checkpoint:
    """The check-point of one block.

    Args:
        file: Where it stands; removed when the block's records are on disk.
        every_s: Seconds between two writes.
    """

    def __init__(self, file: Path, every_s: float = EVERY_S) -> None:
        self.file = file
        self.every_s = every_s
        self._written = time.monotonic()

    def beside(self, name: str) -> Checkpoint:
        """The check-point of a part of the block, such as the training of its memories."""
        return Checkpoint(self.file.with_suffix(f".{name}{self.file.suffix}"), self.every_s)

    def load(self) -> tuple[dict[str, Tensor], int] | None:
        """What was kept and its position, or None if the block has to start from the beginning."""
        if not self.file.exists():
            return None
        with safe_open(self.file, framework="pt") as kept:
            # copies: a tensor of the file starts wherever the one before it ended, and kernels
            # round differently on memory that is not aligned
            tensors = {name: kept.get_tensor(name).clone() for name in kept.keys()}  # noqa: SIM118
        return tensors, int(tensors.pop("position"))

    def offer(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        """Write if the last write is old enough; a kill leaves the old file or the new one.

        Raises:
            StorageError: If the disk refuses.
        """
        if time.monotonic() - self._written < self.every_s:
            return
        content = {name: tensor.contiguous().clone() for name, tensor in tensors().items()}
        content["position"] = torch.tensor(position)
        temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            save_file(content, temporary)
            temporary.replace(self.file)
        except (OSError, SafetensorError) as err:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StorageError(
                f"cannot write the check-point {self.file}: {err}",
                help="records written so far are intact; free some space and run the same command",
            ) from err
        self._written = time.monotonic()
