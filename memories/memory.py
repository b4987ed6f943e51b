"""What all memories share: slow weights in the module, everything else in an explicit state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

State: TypeAlias = Mapping[str, Tensor]
"""A memory's state: names to tensors of constant shape and dtype."""


class InvalidParameter(ValueError):
    """A parameter has the right type but a value that cannot be used.

    Args:
        parameter: Name of the constructor parameter at fault.
        message: What is wrong with it, e.g. ``must be <= key_dim (64), got 80``.
        help: What to do about it.
    """

    def __init__(self, parameter: str, message: str, help: str = "") -> None:
        self.parameter = parameter
        self.message = message
        self.help = help
        super().__init__(f"{parameter}: {message}")


class Unsuitable(Exception):
    """A memory cannot meet a task of this size; raised by its constructor, with the reason.

    Such a pair is no mistake of the suite: it is skipped, and shown as not applicable.
    """


class Memory(nn.Module, ABC):
    """What all protocols share: slow weights in the module, everything else in the state."""

    vectorized: bool = True
    """Whether the methods work under `torch.func.vmap`; if not, lanes are looped over."""
    slow: ClassVar[bool] = False
    """Whether it is left out of default sweeps because one write costs far more than its peers."""
    slot_state: tuple[str, ...] = ()
    """State entries whose first axis is slots; the audit fills their unused slots with NaN."""
    after_fit: ClassVar[frozenset[str]] = frozenset()
    """Parameters that `fit` does not read; settings that differ in them alone share its weights."""

    def scalar(self, name: str, value: float) -> None:
        """Register a scalar that may differ between lanes (a rate, a decay), as a 0-d buffer.

        Such a scalar is read as ``self.<name>``; no Python branch may depend on it.
        """
        self.register_buffer(name, torch.tensor(float(value)))

    @abstractmethod
    def init_state(self) -> State:
        """The state before any event; calling it again is how a memory is reset."""

    def valid(self, state: State) -> Tensor:
        """Which slots hold an event, as bool [M]; required where `slot_state` is not empty."""
        raise NotImplementedError(f"{type(self).__name__} declares slot_state but no valid()")

    def fit(self, train: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Train slow weights; the only way to training data, called once before `init_state`.

        Args:
            train: Training and validation tensors as the task documents them.
            generator: Source of all randomness of the training.
        """
