from __future__ import annotations

from pathlib import Path

import pytest

from bench import plugins, registry, runner
from bench.audit import audit
from bench.errors import MembError
from bench.verbs.templates import write_memory
from tests.bench.small_runs import HERE, plan_of, suite_text


def test_the_template_is_about_forty_lines_and_has_the_name_asked_for(tmp_path: Path) -> None:
    file = write_memory("my-first-memory", tmp_path / "m.py")
    text = file.read_text(encoding="utf-8")
    assert 30 <= len(text.splitlines()) <= 45
    assert '@memory("my-first-memory"' in text
    assert "class MyFirstMemory(AssociativeMemory):" in text


def test_the_file_is_named_after_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_memory("my-memory") == Path("my_memory.py")


@pytest.mark.usefixtures("clean_plugins")
def test_the_template_keeps_every_law_and_runs(tmp_path: Path) -> None:
    file = write_memory("my-memory", tmp_path / "my_memory.py")
    assert plugins.load([str(file)], entry_points=False) == []
    done = audit("my-memory", {})
    assert done.held, [verdict for verdict in done.verdicts if verdict.outcome == "broken"]
    assert sum(verdict.outcome == "held" for verdict in done.verdicts) >= 5
    made = plan_of(tmp_path, suite_text("my-memory\nlinear-assoc"))
    assert runner.run(made, tmp_path / "run", HERE).exit_code == 0
    assert registry.get("memory", "my-memory").description.startswith("Adds outer products")


@pytest.mark.parametrize("name", ["My-Memory", "my_memory", "", "-a", "a--b", "1a", "a b"])
def test_a_name_that_no_suite_could_say_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MembError, match="not a kebab-case name"):
        write_memory(name, tmp_path / "m.py")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MembError, match="memory 'delta' exists already"):
        write_memory("delta", tmp_path / "m.py")


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(MembError, match="exists already"):
        write_memory("my-memory", file)
    assert file.read_text(encoding="utf-8") == "mine"
