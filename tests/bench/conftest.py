"""Registered fakes that leave no trace, and plug-ins that leave none either."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from bench import plugins, registry
from tests.bench import fakes


@pytest.fixture
def fake_entries() -> Iterator[None]:
    """`fake-rag`, `fake-bank` and `fake-probe` are registered during the test."""
    known = set(registry._entries)
    registry.memory("fake-rag", family="fake")(fakes.Rag)
    registry.memory("fake-bank", family="fake")(fakes.Bank)
    registry.task("fake-probe", family="fake")(fakes.Probe)
    yield
    _forget_foreign(known)


@pytest.fixture
def clean_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What plug-ins register and import during the test is gone after it."""
    monkeypatch.setattr(plugins, "_loaded", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before, known = set(sys.modules), set(registry._entries)
    yield
    _forget_foreign(known)
    for name in set(sys.modules) - before:
        if name.partition(".")[0] not in ("memories", "tasks"):
            del sys.modules[name]


def _forget_foreign(known: set[tuple[registry.Kind, str]]) -> None:
    """Drop what a test registered; the project's own modules stay imported and registered."""
    for key, entry in list(registry._entries.items()):
        ours = entry.cls.__module__.partition(".")[0] in ("memories", "tasks")
        if key not in known and not ours:
            del registry._entries[key]
