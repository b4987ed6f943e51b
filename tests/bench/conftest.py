"""Registered fakes and plug-ins that leave no trace, and a small run to look at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import plugins, registry, runner
from bench.plan import Plan
from tests.bench import fakes
from tests.bench.small_runs import HERE, SMALL, TROUBLED, plan_of


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
def clean_plugins(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What plug-ins register and import during the test is gone after it."""
    monkeypatch.setattr(plugins, "_loaded", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(registry._entries)
    yield
    _forget_foreign(known)
    # as text: there are thousands of modules, and a path is dear to make
    written = f"{tmp_path_factory.getbasetemp()}{os.sep}"
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        # libraries stay: numpy, for one, cannot be imported a second time
        if name.startswith("memb_plugin_") or (file and file.startswith(written)):
            del sys.modules[name]


def _forget_foreign(known: set[tuple[registry.Kind, str]]) -> None:
    """Drop what a test registered; the project's own modules stay imported and registered."""
    for key, entry in list(registry._entries.items()):
        ours = entry.cls.__module__.partition(".")[0] in ("memories", "tasks")
        if key not in known and not ours:
            del registry._entries[key]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A run of `SMALL` that nothing disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    made = plan_of(folder, SMALL)
    assert runner.run(made, folder / "run", HERE).exit_code == 0
    return made, folder / "run"


@pytest.fixture
def troubled(tmp_path: Path, clean_plugins: None) -> Path:
    """The plug-in with the memory that fails on demand, loaded."""
    file = tmp_path / "trouble.py"
    file.write_text(TROUBLED, encoding="utf-8")
    assert plugins.load([str(file)], entry_points=False) == []
    return file
