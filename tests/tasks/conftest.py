"""What a test registers is gone after it, and backbones of the online tests train briefly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import registry
from bench.running.cache import Cache
from tasks.association import storage
from tests.tasks.brief import train_briefly


@pytest.fixture
def temporary_entries() -> Iterator[None]:
    """Memories and tasks registered inside the test are forgotten; imported ones stay."""
    yield
    for key, entry in list(registry._entries.items()):
        if entry.cls.__module__.partition(".")[0] not in ("memories", "tasks"):
            del registry._entries[key]


@pytest.fixture
def no_storage_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorders see the events of the task alone."""

    def none(lanes: Any, *_: Any) -> torch.Tensor:
        return torch.zeros(lanes.size, dtype=torch.bool)

    monkeypatch.setattr(storage, "ignoring", none)


@pytest.fixture
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    train_briefly(monkeypatch, 2)


@pytest.fixture
def cache(tmp_path: Path, few_epochs: None) -> Cache:
    """A cache of the test's own: it trains fewer epochs than its key says."""
    return Cache(tmp_path / "cache")
