"""What is installed from the wheel, and that it works from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.conftest import ROOT

SETUPTOOLS = int(metadata.version("setuptools").partition(".")[0])

pytestmark = pytest.mark.skipif(
    SETUPTOOLS < 77, reason="the wheel is built without network, by setuptools >= 77"
)

PACKAGES = {"bench", "memories", "tasks", "suites", "cli.py"}


def python(*words: object, cwd: Path, **env: str) -> str:
    """The output of a Python command that sees nothing of the source tree."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the source tree, built from a copy so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = [*PACKAGES, "tests", "pyproject.toml", "README.md", "LICENSE"]
    for name in tracked:
        source, target = ROOT / name, folder / "source" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (folder / "source" / "results" / "mine").mkdir(parents=True)
    (folder / "source" / "results" / "mine" / "records.jsonl").write_text("", encoding="utf-8")
    python(
        "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--disable-pip-version-check", "-w", folder, folder / "source", cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("memb-*.whl")
    return built


def test_the_wheel_holds_the_packages_and_the_suites_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    suites = {name for name in names if name.startswith("suites/") and name.endswith(".yaml")}
    assert suites == {
        file.relative_to(ROOT).as_posix() for file in (ROOT / "suites").rglob("*.yaml")
    }
    assert {"bench/py.typed", "memories/py.typed", "tasks/py.typed"} <= set(names)
    sources = {
        file.relative_to(ROOT).as_posix()
        for package in ("bench", "memories", "tasks")
        for file in (ROOT / package).rglob("*.py")
    }
    assert sources <= set(names)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, ahead of everything else on the path."""
    folder = tmp_path_factory.mktemp("site")
    python(
        "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
        "--target", folder, wheel, cwd=folder,
    )  # fmt: skip
    return folder


def memb(installed: Path, cwd: Path, *words: object) -> str:
    """`memb WORDS` of the installed package, from a folder that is not the source tree."""
    program = "import sys; import cli; sys.argv[0] = 'memb'; cli.main()"
    return python("-c", program, *words, cwd=cwd, PYTHONPATH=str(installed))


def test_the_installed_package_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    told = python(
        "-c", "import bench, cli; print(bench.__file__, cli.__file__)",
        cwd=tmp_path, PYTHONPATH=str(installed),
    )  # fmt: skip
    assert all(Path(file).is_relative_to(installed) for file in told.split())


def test_the_console_script_is_installed(installed: Path, tmp_path: Path) -> None:
    script = installed / "bin" / "memb"
    assert os.access(script, os.X_OK)
    assert python(script, "--version", cwd=tmp_path, PYTHONPATH=str(installed)).startswith("memb ")


def test_shipped_suites_are_found_and_run_from_another_folder(
    installed: Path, tmp_path: Path
) -> None:
    listed = memb(installed, tmp_path, "list", "suites")
    names = {line.split()[0] for line in listed.splitlines()[1:]}
    assert names == {file.stem for file in (ROOT / "suites").glob("*.yaml")}
    memb(
        installed, tmp_path, "run", "quickstart", "--only", "delta:capacity", "--seeds", "1",
        "--set", "tasks.capacity.loads=[4, 8]", "--timeout", "0", "--quiet",
    )  # fmt: skip
    assert (tmp_path / "results" / "quickstart" / "records.jsonl").exists()
    assert "capacity" in memb(installed, tmp_path, "compare", "results/quickstart")
