"""Packages that may be absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import MembError
from bench.stats.optional import require


def test_a_package_that_is_there_is_imported() -> None:
    assert require("scipy.stats", "this test").__name__ == "scipy.stats"


def test_an_absent_package_names_the_extra_that_brings_it() -> None:
    with pytest.raises(MembError) as caught:
        require("not_there_at_all.part", "the order of things")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "the order of things needs the package not_there_at_all, which is not installed\n"
        "  help: pip install 'memb[stats]'"
    )


def test_what_a_package_lacks_itself_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import its_own_dependency\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="its_own_dependency"):
        require("half_installed", "this test")
