from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import registry
from bench.errors import MembError
from tests.bench import fakes

pytestmark = pytest.mark.usefixtures("fake_entries")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own with one memory, and a cache of its own."""
    monkeypatch.setattr(registry, "_HOME", tmp_path)
    monkeypatch.setattr(registry, "_scan_cache", lambda: tmp_path / "cache" / "names.json")
    registry._scan.cache_clear()
    (tmp_path / "memories" / "family").mkdir(parents=True)
    (tmp_path / "tasks").mkdir()
    source = (
        '@memory("first", family="x")\nclass A: ...\n\n@registry.memory("second")\nclass B: ...\n'
    )
    (tmp_path / "memories" / "family" / "one.py").write_text(source, encoding="utf-8")
    yield tmp_path
    registry._scan.cache_clear()


def test_names_are_found_by_reading_not_by_importing(tree: Path) -> None:
    (tree / "tasks" / "t.py").write_text("1 / 0\n@task('probe')\nclass T: ...\n", encoding="utf-8")
    assert [name for name in registry.names("memory") if name in ("first", "second")] == [
        "first",
        "second",
    ]
    assert "probe" in registry.names("task")
    assert registry._scan()["memory", "first"] == "memories.family.one"


def test_decorators_of_other_libraries_and_names_that_are_computed_are_passed_over(
    tree: Path,
) -> None:
    text = "@dataclass(1)\n@other('x')\n@memory(NAME)\n@memory\n@memory(3)\nclass A: ...\n"
    (tree / "memories" / "two.py").write_text(text, encoding="utf-8")
    assert {name for kind, name in registry._scan()} == {"first", "second"}


def test_a_file_is_read_again_when_it_changed(tree: Path) -> None:
    registry._scan()
    stored = json.loads((tree / "cache" / "names.json").read_text(encoding="utf-8"))
    assert list(stored) == [str(tree / "memories" / "family" / "one.py")]
    (tree / "memories" / "family" / "one.py").write_text(
        '@memory("another")\nclass A: ...\n', encoding="utf-8"
    )
    registry._scan.cache_clear()
    assert {name for _, name in registry._scan()} == {"another"}


def test_a_spoilt_cache_is_read_over(tree: Path) -> None:
    (tree / "cache").mkdir()
    (tree / "cache" / "names.json").write_text("{torn", encoding="utf-8")
    assert {name for _, name in registry._scan()} == {"first", "second"}


def test_a_class_outside_cannot_take_the_name_of_one_of_ours_that_was_never_imported(
    tree: Path,
) -> None:
    with pytest.raises(MembError, match="memory 'first' is registered twice") as caught:
        registry.memory("first")(fakes.Rag)
    assert str(tree / "memories" / "family" / "one.py") in caught.value.render()


def test_two_classes_of_one_file_cannot_share_a_name() -> None:
    with pytest.raises(MembError, match="memory 'fake-rag' is registered twice"):
        registry.memory("fake-rag")(fakes.Bank)


def test_a_class_may_be_registered_again_as_when_its_module_is_reloaded() -> None:
    assert registry.memory("fake-rag")(fakes.Rag) is fakes.Rag


@pytest.mark.parametrize("name", ["my_memory", "My-memory", "my memory"])
def test_a_name_is_kebab_case(name: str) -> None:
    with pytest.raises(MembError, match=f"memory name '{name}' is not kebab-case"):
        registry.memory(name)


def test_an_entry_tells_its_description_and_its_file() -> None:
    entry = registry.get("memory", "fake-rag")
    assert entry.description == "Attends to the nearest events."
    assert entry.file == Path(fakes.__file__)


def test_entries_come_in_the_order_of_family_and_name() -> None:
    found = [(entry.family, entry.name) for entry in registry.entries("memory")]
    assert found == sorted(found)
    assert ("fake", "fake-bank") in found


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(MembError) as caught:
        registry.get("task", "fake_probe")
    assert caught.value.render() == (
        "unknown task 'fake_probe'\n  help: did you mean 'fake-probe'? 'memb list tasks' shows all"
    )


def test_a_plug_in_that_fails_takes_back_what_it_registered_and_nothing_else() -> None:
    before = dict(registry._entries)
    with pytest.raises(ZeroDivisionError), registry.registering_for("p"):
        registry.memory("from-p")(type("P", (fakes.Rag,), {"__module__": fakes.__name__}))
        raise ZeroDivisionError
    assert registry._entries == before
    registry.memory("from-none")(type("P", (fakes.Rag,), {"__module__": fakes.__name__}))
    assert registry.get("memory", "from-none").plugin == ""
