from __future__ import annotations

from pathlib import Path

import pytest

from bench import suite
from bench.errors import MembError

pytestmark = pytest.mark.usefixtures("fake_entries")

SUITE = """\
name: s
seeds: 2
memories:
  - linear-assoc
  - {name: fake-rag, label: rag, params: {top_k: [1, 2]}}
  - {name: fake-bank, params: {memory: fake-rag}, tasks: [b]}
tasks:
  - {name: fake-probe, label: a, params: {horizon: [1, 2]}}
  - {name: fake-probe, label: b}
reference: linear-assoc
"""
EVERYTHING = [
    ("linear-assoc", "a[horizon=1]"),
    ("rag[top-k=1]", "a[horizon=1]"),
    ("rag[top-k=2]", "a[horizon=1]"),
    ("linear-assoc", "a[horizon=2]"),
    ("rag[top-k=1]", "a[horizon=2]"),
    ("rag[top-k=2]", "a[horizon=2]"),
    ("linear-assoc", "b"),
    ("rag[top-k=1]", "b"),
    ("rag[top-k=2]", "b"),
    ("fake-bank", "b"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "s.yaml"
    file.write_text(SUITE, encoding="utf-8")
    return file


def pairs(path: Path, *patterns: str) -> list[tuple[str, str]]:
    chosen = suite.load(path, only=patterns)
    return [(memory.label, task.label) for memory, task in chosen.pairs()]


def test_every_pair_is_kept_without_a_pattern(path: Path) -> None:
    loaded = suite.load(path)
    assert [(memory.label, task.label) for memory, task in loaded.pairs()] == EVERYTHING


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("*", lambda m, t: True),
        ("rag", lambda m, t: m.startswith("rag")),
        ("rag[top-k=2]", lambda m, t: m == "rag[top-k=2]"),
        ("rag*2]", lambda m, t: m == "rag[top-k=2]"),
        ("b", lambda m, t: t == "b"),
        ("a", lambda m, t: t.startswith("a")),
        ("*-*:b", lambda m, t: "-" in m and t == "b"),
        ("linear-assoc:a[horizon=2]", lambda m, t: (m, t) == ("linear-assoc", "a[horizon=2]")),
        ("rag:a*1]", lambda m, t: m.startswith("rag") and t == "a[horizon=1]"),
        ("fake-*", lambda m, t: m == "fake-bank"),
    ],
)
def test_a_pattern_keeps_the_pairs_it_fits(path: Path, pattern: str, kept: object) -> None:
    assert callable(kept)
    assert pairs(path, pattern) == [pair for pair in EVERYTHING if kept(*pair)]


def test_several_patterns_keep_what_fits_any_of_them(path: Path) -> None:
    assert pairs(path, "fake-bank", "linear-assoc:b") == [("linear-assoc", "b"), ("fake-bank", "b")]


def test_what_is_left_out_is_in_neither_list(path: Path) -> None:
    chosen = suite.load(path, only="fake-bank")
    assert [memory.label for memory in chosen.memories] == ["fake-bank"]
    assert [task.label for task in chosen.tasks] == ["b"]


def test_a_reference_that_is_left_out_is_none(path: Path) -> None:
    assert suite.load(path, only="fake-bank").references == ()
    assert suite.load(path, only="linear-assoc").references == ("linear-assoc",)


@pytest.mark.parametrize("pattern", ["rug", "fake-bank:a", "B", "fake-rag"])
def test_a_pattern_that_fits_nothing_is_an_error(path: Path, pattern: str) -> None:
    with pytest.raises(MembError) as caught:
        suite.load(path, only=["b", pattern])
    (problem,) = caught.value.problems
    assert (problem.message, problem.place) == ("nothing in the suite fits", f"--only {pattern}")


def test_the_nearest_label_is_suggested(path: Path) -> None:
    with pytest.raises(MembError) as caught:
        suite.load(path, only="linear-asoc")
    assert caught.value.render() == (
        "nothing in the suite fits\n"
        "  --> --only linear-asoc\n"
        "  help: did you mean 'linear-assoc'? it has linear-assoc, rag[top-k=1], rag[top-k=2], "
        "fake-bank, a[horizon=1], a[horizon=2], b"
    )
