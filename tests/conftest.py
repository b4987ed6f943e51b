"""Shared fixtures: one torch thread, a cache and a home of their own, the real data if there."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings
from torch._subclasses import fake_tensor

# Looking for garbage as often as Python does takes a tenth of the time, of collecting tests too.
gc.set_threshold(100_000, 20, 100)
torch.set_num_threads(1)
# the same examples in every run: a failure in CI can be repeated, a slow machine is no failure
settings.register_profile("memb", derandomize=True, deadline=None)
settings.load_profile("memb")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
ETT_FOLDERS = (ROOT.parent / "shared" / "data" / "ett", ROOT / "shared" / "data" / "ett")


def pytest_sessionstart(session: pytest.Session) -> None:
    """No test looks at logs, and torch alone has dozens of loggers to listen to and to leave."""
    listener = session.config.pluginmanager.unregister(name="logging-plugin")
    if listener is not None:
        listener.log_file_handler.close()


@pytest.fixture(autouse=True, scope="session")
def _no_stack_with_every_recorded_call() -> Iterator[None]:
    """torch keeps, for its own messages, where it was as it recorded a call of a tensor.

    A test is called from so deep that this is a third of the time it takes to record a program.
    """
    known = {**vars(traceback), "extract_stack": lambda *_, **__: traceback.StackSummary()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_tensor, "traceback", SimpleNamespace(**known))
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests never read or fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MEMB_DATA_DIR", raising=False)
        yield


@pytest.fixture(scope="session")
def ett_dir() -> Path:
    """The folder with the real ETTh1.csv, or a skip where it is not available."""
    for folder in ETT_FOLDERS:
        if (folder / "ETTh1.csv").exists():
            return folder
    pytest.skip(
        "ETTh1.csv is not here: its licence forbids shipping it; see 'memb data path etth1'"
    )


def pytest_collection_finish() -> None:
    """Spare the collected tests from garbage collection."""
    gc.collect()
    gc.freeze()
