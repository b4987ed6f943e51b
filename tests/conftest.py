"""Shared fixtures: one torch thread, a cache and a home of their own, the real data if there."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# the same examples in every run: a failure in CI can be repeated, a slow machine is no failure
settings.register_profile("memb", derandomize=True, deadline=None)
settings.load_profile("memb")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
ETT_FOLDERS = (ROOT.parent / "shared" / "data" / "ett", ROOT / "shared" / "data" / "ett")


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
    """Spare the collected tests, and most of what they make, from garbage collection.

    Looking for garbage as often as Python does by default takes a tenth of the time of all tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
