from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import fingerprint, plugins, registry
from bench.reading import params, values

pytestmark = pytest.mark.usefixtures("clean_plugins")

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def memory(name: str, head: str = "") -> str:
    """A plug-in with one memory, whose slot's annotation names a class it does not import."""
    return (
        f"{head}\n"
        "from __future__ import annotations\n"
        "from bench.registry import memory\n"
        "from memories.base import MemorySlot\n\n\n"
        f'@memory("{name}", family="outside")\n'
        "class Mine:\n"
        '    """Mine."""\n\n'
        "    def __init__(self, *, gain: float = 2.0, inner: MemorySlot | None = None) -> None:\n"
        "        self.gain = gain\n"
    ).lstrip("\n")


def load(*specs: object) -> list[str]:
    problems = plugins.load([str(spec) for spec in specs], entry_points=False)
    return [problem.render() for problem in problems]


def test_a_file_is_loaded_by_its_path(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("my_memory.py", memory("mine"))
    monkeypatch.chdir(path.parent)
    assert load("./my_memory.py") == []
    entry = registry.get("memory", "mine")
    assert (entry.family, entry.file, entry.plugin) == ("outside", path, str(path))
    assert "mine" in registry.names("memory")
    assert plugins.loaded() == [str(path)]
    assert entry.cls.__module__.startswith("memb_plugin_")
    assert [p.name for p in params.of(entry)] == ["gain", "inner"]
    assert values.resolve(entry, {"inner": "linear-assoc"})[1] == []


def test_loading_again_changes_nothing(write: Write) -> None:
    path = write("my_memory.py", memory("mine"))
    load(path)
    first = registry.get("memory", "mine").cls
    assert load(path, path) == []
    assert registry.get("memory", "mine").cls is first
    assert plugins.loaded() == [str(path)]


def test_a_dotted_module_is_imported_as_it_is(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("outside_pkg/__init__.py", "")
    path = write("outside_pkg/mem.py", memory("mine"))
    monkeypatch.syspath_prepend(path.parent.parent)
    assert load("outside_pkg.mem") == []
    assert registry.get("memory", "mine").cls.__module__ == "outside_pkg.mem"
    assert registry.get("memory", "mine").plugin == "outside_pkg.mem"
    assert plugins.loaded() == ["outside_pkg.mem"]


def test_a_module_imported_before_it_is_named_as_a_plug_in_counts(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("early.py", memory("mine"))
    monkeypatch.syspath_prepend(path.parent)
    importlib.import_module("early")
    assert registry.get("memory", "mine").plugin == ""
    assert load("early") == []
    assert registry.get("memory", "mine").plugin == "early"


@pytest.mark.parametrize("statement", ["from . import helper", "import helper"])
def test_a_file_may_import_its_neighbours_either_way(write: Write, statement: str) -> None:
    write("helper.py", "FACTOR = 7\n")
    text = memory("mine").replace("from bench", f"{statement}\nfrom bench", 1)
    path = write("mine.py", text + "\n    factor = helper.FACTOR\n")
    assert load(path) == []
    assert registry.get("memory", "mine").cls.factor == 7
    assert write("helper.py", "") in fingerprint.reachable(path)


def test_two_folders_may_hold_files_of_the_same_name(write: Write) -> None:
    for folder in ("a", "b"):
        write(f"{folder}/helper.py", f"WHERE = '{folder}'\n")
        head = "from . import helper\n"
        text = memory(f"mine-{folder}").replace("from bench", head + "from bench", 1)
        path = write(f"{folder}/mine.py", text + "\n    where = helper.WHERE\n")
        assert load(path) == []
    assert registry.get("memory", "mine-a").cls.where == "a"
    assert registry.get("memory", "mine-b").cls.where == "b"


def test_a_neighbour_hidden_by_another_module_is_refused(write: Write, tmp_path: Path) -> None:
    """Otherwise the fingerprint would cover one file and the code of another would run."""
    for folder in ("a", "b"):
        write(f"{folder}/helper_x.py", "")
        text = memory(f"mine-{folder}").replace("from bench", "import helper_x\nfrom bench", 1)
        write(f"{folder}/mine.py", text)
    assert load(tmp_path / "a/mine.py", tmp_path / "b/mine.py") == [
        f"'import helper_x' found {tmp_path}/a/helper_x.py, not {tmp_path}/b/helper_x.py\n"
        f"  --> {tmp_path}/b/mine.py\n"
        "  help: rename it, or write 'from . import helper_x'"
    ]
    assert "mine-b" not in registry.names("memory")
    assert "mine-a" in registry.names("memory")


def test_a_broken_plug_in_is_reported_and_the_others_are_loaded(write: Write) -> None:
    broken = write("broken.py", "x = 1\ndef f(:\n    pass\n")
    raising = write("raising.py", memory("half") + "\n\nraise ValueError('no GPU\\nat all')\n")
    good = write("good.py", memory("mine"))
    assert load(broken, raising, good) == [
        f"plug-in {broken} does not parse: invalid syntax\n  --> {broken}:2:7",
        f"plug-in {raising} raised ValueError: no GPU\n  --> {raising}:14",
    ]
    assert "mine" in registry.names("memory")
    assert "half" not in registry.names("memory")
    assert plugins.loaded() == [str(good)]


def test_a_plug_in_that_was_mended_loads_in_the_same_process(write: Write) -> None:
    write("part.py", "from bench.registry import memory\n\n\n@memory('part')\nclass P:\n    pass\n")
    path = write("mine.py", "from . import part\nraise SystemExit(3)\n")
    assert load(path) == [f"plug-in {path} raised SystemExit: 3\n  --> {path}:2"]
    write("mine.py", "from . import part\n\nUSED = part\n")
    assert load(path) == []
    assert registry.get("memory", "part").plugin == str(path)


def test_our_own_memories_imported_by_a_broken_plug_in_stay_registered(write: Write) -> None:
    path = write("mine.py", "from memories.floors import zero\nraise ValueError(zero)\n")
    assert len(load(path)) == 1
    assert registry.get("memory", "zero").plugin == ""


def test_an_error_inside_a_library_is_placed_in_the_plug_in(write: Write) -> None:
    path = write("mine.py", "import json\n\njson.loads('{')\n")
    (message,) = load(path)
    assert message.endswith(f"  --> {path}:3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "X = 1\n",
            "plug-in {path} registers nothing\n  help: decorate a class with @memory(name) or "
            "@task(name) of bench.registry",
        ),
        (
            memory("my_memory"),
            "memory name 'my_memory' is not kebab-case\n  --> {path}:6\n"
            "  help: write it like my-memory",
        ),
        (
            memory("linear-assoc"),
            "memory 'linear-assoc' is registered twice: {ours} and {path}\n  --> {path}:6\n"
            "  help: rename one of them",
        ),
        (
            "import not_installed_anywhere\n",
            "plug-in {path} raised ModuleNotFoundError: No module named 'not_installed_anywhere'\n"
            "  --> {path}:1",
        ),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named(write: Write, text: str, message: str) -> None:
    path = write("mine.py", text)
    ours = fingerprint.PROJECT / "memories/matrix/linear_assoc.py"
    (found,) = load(path)
    assert found.replace(f"  --> {path}\n", "") == message.format(path=path, ours=ours)
    assert plugins.loaded() == []


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.b.py").write_text("", encoding="utf-8")
    assert load(tmp_path / "none.py", tmp_path / "a.b.py", tmp_path, "no_such_module.x") == [
        f"plug-in file {tmp_path}/none.py does not exist",
        "a.b.py is no name of a Python module\n  help: call it my_memory.py",
        f"plug-in file {tmp_path} does not exist",
        "plug-in no_such_module.x: no such module\n"
        "  help: a file is given by its path: ./no_such_module.x.py",
    ]


def test_two_plug_ins_cannot_share_a_name(write: Write) -> None:
    first, second = write("a.py", memory("mine")), write("b.py", memory("mine"))
    (message,) = load(first, second)
    assert message.startswith(f"memory 'mine' is registered twice: {first} and {second}\n")
    assert registry.get("memory", "mine").file == first


def test_installed_packages_announce_their_modules_and_a_broken_one_is_isolated(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("announced_mem.py", memory("mine")).parent
    write("announced_broken.py", "1 / 0\n")
    monkeypatch.syspath_prepend(folder)
    info = "announced-1.0.dist-info"
    write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: announced\nVersion: 1.0\n")
    write(
        f"{info}/entry_points.txt",
        "[memb.memories]\nmine = announced_mem:Mine\nbad = announced_broken\n"
        "[memb.tasks]\nalso = announced_mem\n",
    )
    importlib.invalidate_caches()
    problems = [problem.render() for problem in plugins.load([])]
    assert problems == [
        "plug-in announced_broken of announced raised ZeroDivisionError: division by zero\n"
        f"  --> {folder}/announced_broken.py:1"
    ]
    assert registry.get("memory", "mine").plugin == "announced_mem"
    assert plugins.loaded() == ["announced_mem"]


def test_entry_points_are_left_alone_when_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    announced = SimpleNamespace(module="nowhere_at_all", dist=None)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [announced])
    assert load() == []
    (problem,) = plugins.load([])
    assert problem.message == "plug-in nowhere_at_all of an installed package: no such module"


def test_another_process_loads_the_same_plug_ins_under_the_same_names(write: Write) -> None:
    path = write("my_memory.py", memory("mine"))
    load(path)
    here = registry.get("memory", "mine").cls.__module__
    code = (
        "import sys; from bench import plugins, registry; "
        "assert plugins.load(sys.argv[1:], entry_points=False) == []; "
        "print(registry.get('memory', 'mine').cls.__module__)"
    )
    command = [sys.executable, "-c", code, *plugins.loaded()]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.strip() == here
