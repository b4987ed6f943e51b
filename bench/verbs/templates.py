"""Files to start from."""

from __future__ import annotations

import re
from pathlib import Path

from bench import registry
from bench.errors import MembError

MEMORY = '''\
"""{title}: say in one line what it stores and how it recalls."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from bench.registry import memory
from memories.base import AssociativeMemory, State


@memory("{name}", family="mine", source="your paper, year")
class {title}(AssociativeMemory):
    """Adds outer products of keys and values; reads with one matrix product.

    Args:
        key_dim: Width of keys, given by the task.
        value_dim: Width of values, given by the task.
        decay: What one event leaves of what was stored before it.
    """

    def __init__(self, key_dim: int, value_dim: int, *, decay: float = 1.0) -> None:
        super().__init__()
        self.key_dim, self.value_dim = key_dim, value_dim
        self.scalar("decay", decay)  # may differ between seeds run together

    def init_state(self) -> State:
        """Everything that changes while the memory is used lives in the state."""
        return {{"matrix": torch.zeros(self.key_dim, self.value_dim)}}

    def write(self, state, keys, values, times=None, contexts=None) -> State:
        """The state after N events, in order: a new one, the old is left as it was."""
        age = torch.arange(len(keys) - 1, -1, -1, device=keys.device)
        weights = self.decay ** age[:, None]
        added = normalize(keys, dim=-1).T @ (weights * values)
        return {{"matrix": self.decay ** len(keys) * state["matrix"] + added}}

    def read(self, state, queries, times=None, contexts=None) -> Tensor:
        """Values [Q, V] for queries [Q, D]; changes nothing."""
        return normalize(queries, dim=-1) @ state["matrix"]
'''


def write_memory(name: str, file: Path | None = None) -> Path:
    """A file with a memory of that name, ready to be changed.

    Args:
        name: kebab-case registry name.
        file: Where to write; named after the memory in the current folder if None.

    Raises:
        MembError: If the name is taken or not kebab-case, or the file exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise MembError(f"'{name}' is not a kebab-case name", help="write it like my-memory")
    if name in registry.names("memory"):
        raise MembError(f"memory '{name}' exists already", help="choose another name")
    target = file or Path(f"{name.replace('-', '_')}.py")
    if target.exists():
        raise MembError(f"{target} exists already", help="name another file with --output")
    title = "".join(word.capitalize() for word in name.split("-"))
    target.write_text(MEMORY.format(name=name, title=title), encoding="utf-8")
    return target
