"""`memb compare --figures` through the real entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Memb
from tests.cli.test_streams import imported


def test_figures_are_written_beside_the_table_and_listed_on_stderr(
    memb: Memb, small_run: Path, tmp_path: Path
) -> None:
    bare = memb("compare", small_run)
    done = memb("compare", small_run, "--figures", tmp_path / "out")
    assert (done.code, done.out) == (0, bare.out)
    svgs = sorted(path.name for path in (tmp_path / "out").glob("*.svg"))
    assert any(name.startswith("capacity-curve--") for name in svgs)
    assert any(name.startswith("adaptation-curve--") for name in svgs)
    for name in svgs:
        assert name in done.err
        for ending in ("png", "csv"):
            assert (tmp_path / "out" / name).with_suffix(f".{ending}").stat().st_size > 0
    assert "no sweep: no task at three values of a parameter" in done.err
    assert f"{len(svgs)} figures in" in done.err
    assert "\x1b" not in done.err


def test_a_folder_that_is_a_file_is_bad_input(memb: Memb, small_run: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = memb("compare", small_run, "--figures", tmp_path / "taken")
    assert done.code == 2
    assert "cannot write figures to" in done.err


def test_the_view_of_costs_takes_figures_too(memb: Memb, small_run: Path, tmp_path: Path) -> None:
    bare = memb("compare", small_run, "--pareto")
    done = memb("compare", small_run, "--pareto", "--figures", tmp_path / "out")
    assert (done.code, done.out) == (0, bare.out)
    assert list((tmp_path / "out").glob("pareto--*.svg"))


@pytest.mark.slow
def test_figures_need_no_torch(small_run: Path, tmp_path: Path) -> None:
    found = imported("compare", small_run, "--figures", tmp_path / "out")
    assert "torch" not in found
    assert "matplotlib" in found
