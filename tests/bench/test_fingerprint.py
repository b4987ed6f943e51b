from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import fingerprint
from bench.errors import MembError
from bench.fingerprint import PROJECT, code_fingerprint, reachable, sibling_modules

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


CODE = '''\
"""Module."""
import math
RATE = 3
"""What an attribute is."""


class Memory:
    """Class."""

    def read(self, x):
        """Method."""
        return x * RATE + len("text")
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE = 3", "RATE = 3  # three"),
        ("RATE = 3", "# a comment\n\nRATE  =  (\n 3\n)"),
        ('"""Module."""', '"""Another text,\n\nand a longer one."""'),
        ('"""Method."""\n', '"""It reads."""\n'),
        ('    """Class."""\n\n', ""),
        ('"""What an attribute is."""\n', ""),
        ('"text"', "'text'"),
        ("3", "0x3"),
    ],
)
def test_what_the_interpreter_does_not_see_leaves_the_print(
    write: Write, old: str, new: str
) -> None:
    before = code_fingerprint(write("m.py", CODE))
    assert old in CODE
    assert code_fingerprint(write("m.py", CODE.replace(old, new, 1))) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE = 3", "RATE = 4"),
        ("RATE = 3", "RATE = 3.0"),
        ("RATE = 3", "RATE = '3'"),
        ("RATE = 3", "RATE = True"),
        ("x * RATE", "RATE * x"),
        ("def read(self, x)", "def read(self, x=None)"),
        ("def read(self, x)", "def read(self, x, /)"),
        ("def read(self, x)", "def read(self, *x)"),
        ('"text"', '"texts"'),
        ('"text"', 'b"text"'),
        ("class Memory", "class Memory2"),
        ("    def read", "    @property\n    def read"),
        ("import math", "import math as m"),
        ("import math\n", ""),
        ("        return", "        if x:\n            return"),
    ],
)
def test_what_the_interpreter_sees_changes_the_print(write: Write, old: str, new: str) -> None:
    before = code_fingerprint(write("m.py", CODE))
    assert code_fingerprint(write("m.py", CODE.replace(old, new, 1))) != before


CONSTANTS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)
EXPRESSIONS = st.recursive(
    CONSTANTS.map(repr),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.tuples(inner, inner).map(lambda two: f"({two[0]}, ({two[1]},))")
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_tokens_tell_apart_what_the_standard_dump_tells_apart(first: str, second: str) -> None:
    trees = [ast.parse(f"x = {text}") for text in (first, second)]
    tokens = [list(fingerprint._tokens(tree)) for tree in trees]
    assert (tokens[0] == tokens[1]) == (ast.dump(trees[0]) == ast.dump(trees[1]))


IMPORTS = {
    "import helper": "helper.py",
    "import helper as h, math": "helper.py",
    "from helper import CONSTANT": "helper.py",
    "from . import helper": "helper.py",
    "from .helper import CONSTANT": "helper.py",
    "from . import pkg": "pkg/__init__.py",
    "import pkg.inner": "pkg/inner.py",
    "import pkg.inner ": "pkg/__init__.py",
    "from pkg import inner": "pkg/inner.py",
    "from pkg.inner import CONSTANT": "pkg/__init__.py",
    "from .pkg.inner import CONSTANT": "pkg/inner.py",
    "from pkg import *": "pkg/inner.py",
    "def f():\n    from helper import CONSTANT": "helper.py",
    "import importlib\nimportlib.import_module('helper')": "helper.py",
    "__import__('helper')": "helper.py",
    "from pkg import deep": "pkg/deepest.py",
    "from pkg import up": "helper2.py",
}


@pytest.mark.parametrize(("statement", "changed"), IMPORTS.items())
def test_a_constant_of_an_imported_neighbour_changes_the_print(
    write: Write, statement: str, changed: str
) -> None:
    constant = "CONSTANT = 1\n"
    for name in ("helper.py", "helper2.py", "pkg/__init__.py", "pkg/inner.py", "pkg/deepest.py"):
        write(name, constant)
    write("pkg/deep.py", "from .deepest import CONSTANT\n")
    write("pkg/up.py", "from ..helper2 import CONSTANT\n")
    path = write("m.py", statement + "\n")
    before = code_fingerprint(path)
    write(changed, constant + "# only said\n")
    assert code_fingerprint(path) == before
    write(changed, "CONSTANT = 2\n")
    assert code_fingerprint(path) != before


def test_what_is_not_imported_does_not_count(write: Write) -> None:
    path = write("m.py", "import helper\n")
    write("helper.py", "X = 1\n")
    before = code_fingerprint(path)
    write("other.py", "X = 1\n")
    write("pkg/helper.py", "X = 1\n")
    assert code_fingerprint(path) == before


def test_a_circle_of_imports_ends(write: Write) -> None:
    first, second = write("a.py", "import b\n"), write("b.py", "from a import *\nimport a\n")
    assert reachable(first) == reachable(second) == {first, second}


def test_the_print_does_not_depend_on_where_the_code_lies(write: Write) -> None:
    for folder in ("here", "there/deep"):
        write(f"{folder}/m.py", "from .helper import X\n")
        write(f"{folder}/helper.py", "X = 1\n")
    base = write("here/m.py", "from .helper import X\n").parents[1]
    assert code_fingerprint(base / "here/m.py") == code_fingerprint(base / "there/deep/m.py")


def test_the_print_does_not_depend_on_the_order_of_files(write: Write) -> None:
    a, b = write("a.py", "X = 1\n"), write("b.py", "X = 2\n")
    assert code_fingerprint(a, b) == code_fingerprint(b, a, a)
    assert code_fingerprint(a, b) != code_fingerprint(a)


def test_the_name_of_a_module_counts(write: Write) -> None:
    assert code_fingerprint(write("a.py", "X = 1\n")) != code_fingerprint(write("b.py", "X = 1\n"))


def test_a_package_counts_with_its_own_top_and_not_with_its_neighbours(write: Write) -> None:
    for name in ("top/__init__.py", "top/core.py", "top/sub/__init__.py"):
        write(name, "X = 1\n")
    beside = write("core.py", "X = 1\n")
    path = write("top/sub/m.py", "from top.core import X\nimport core\n")
    names = {found.relative_to(path.parents[2]).as_posix() for found in reachable(path)}
    assert names == {"top/__init__.py", "top/core.py", "top/sub/__init__.py", "top/sub/m.py"}
    before = code_fingerprint(path)
    beside.write_text("X = 2\n", encoding="utf-8")
    assert code_fingerprint(path) == before
    write("top/__init__.py", "X = 2\n")
    assert code_fingerprint(path) != before


def test_an_installed_single_module_does_not_drag_in_its_neighbours(write: Write) -> None:
    write("site-packages/numpy/__init__.py", "X = 1\n")
    path = write("site-packages/my_memory.py", "import numpy\n")
    assert reachable(path) == {path}


def test_a_memory_of_ours_counts_with_what_it_imports_of_ours_but_not_the_harness() -> None:
    start = PROJECT / "memories/matrix/linear_assoc.py"
    names = {path.relative_to(PROJECT).as_posix() for path in reachable(start)}
    assert {"memories/__init__.py", "memories/base.py", "memories/matrix/__init__.py"} <= names
    assert not any(name.startswith(("bench/", "tasks/")) for name in names)


def test_a_plug_in_counts_with_the_memories_of_ours_that_it_builds_on(write: Write) -> None:
    path = write("m.py", "from memories.floors.zero import Zero\nimport bench.registry, torch\n")
    found = reachable(path)
    assert PROJECT / "memories/floors/zero.py" in found
    assert PROJECT / "memories/base.py" in found
    assert not any(found_path.is_relative_to(PROJECT / "bench") for found_path in found)


def test_a_plug_in_beside_the_harness_does_not_count_the_harness(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("bench/registry.py", "X = 1\n")
    write("memories/base.py", "X = 1\n")
    path = write("m.py", "import bench.registry, cli\nfrom memories import base\n")
    monkeypatch.setattr(fingerprint, "PROJECT", tmp_path)
    assert reachable(path) == {path, tmp_path / "memories/base.py"}


def test_neighbours_imported_by_plain_name_are_listed(write: Write) -> None:
    helper = write("helper.py", "import second\n")
    second = write("second.py", "")
    write("third.py", "")
    path = write("m.py", "import helper.x, json\nfrom . import third\n")
    assert sibling_modules(path) == {"helper": helper, "second": second}


def test_a_file_is_parsed_again_only_when_it_changed(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("m.py", "X = 1\n")
    before = code_fingerprint(path)
    calls: list[Path] = []
    parse = fingerprint._parse
    monkeypatch.setattr(fingerprint, "_parse", lambda p: (calls.append(p), parse(p))[1])
    assert code_fingerprint(path) == before
    assert calls == []
    os.utime(path, ns=(1, 1))
    assert code_fingerprint(path) == before
    assert calls == [path]


def test_a_file_that_does_not_parse_is_named_with_its_place(write: Write) -> None:
    path = write("m.py", "def f():\n    from . import helper\n")
    helper = write("helper.py", "x = (\n")
    with pytest.raises(MembError) as caught:
        code_fingerprint(path)
    assert caught.value.render() == f"does not parse: '(' was never closed\n  --> {helper}:1:5"
