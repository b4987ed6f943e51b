"""Fixtures of the data tests: no folder of the user's is searched, small csv files are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.data import files


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's cache in which data files are looked for: empty, and temporary."""
    monkeypatch.setattr(files, "user_cache_path", lambda _: tmp_path / "user-cache")
    monkeypatch.delenv("MEMB_DATA_DIR", raising=False)
    return tmp_path / "user-cache" / "data"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """A function that writes text to a csv, line ends as given, and returns its path."""

    def write_text(text: str, name: str = "series.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write_text
