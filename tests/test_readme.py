"""The README's example, taken from its text and run as a reader would run it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.bench.conftest import clean_plugins  # noqa: F401 - what the next one takes
from tests.cli.conftest import Memb, memb  # noqa: F401 - a fixture for the tests here too

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = README.split("## Add your own memory", 1)[1].split("\n## ", 1)[0]


def files() -> dict[str, str]:
    """The files that the example shows, by the name it gives them."""
    return dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", EXAMPLE, re.DOTALL))


def commands() -> list[str]:
    """The example's commands, in order."""
    return [line for line in EXAMPLE.splitlines() if line.startswith("memb ")]


def test_the_memory_of_the_example_is_one_file_of_about_forty_lines() -> None:
    assert list(files()) == ["surprise.py", "mine.yaml"]
    assert len(files()["surprise.py"].splitlines()) <= 40


SHORTER = ("--seeds", "2", "--set", "tasks.capacity.loads=[8, 16]", "--timeout", "0")


@pytest.mark.parametrize(
    "more", [SHORTER, pytest.param((), marks=pytest.mark.slow)], ids=["shorter", "as written"]
)
def test_the_example_is_audited_run_and_lands_on_the_leaderboard(
    memb: Memb,  # noqa: F811
    tmp_path: Path,
    more: tuple[str, ...],
) -> None:
    """The commands as the README has them; by default the run is shorter, and in this process."""
    assert [shlex.split(command)[1] for command in commands()] == ["audit", "run", "compare"]
    for name, text in files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    outputs = []
    for command in commands():
        words = shlex.split(command)[1:]
        done = memb(*words, *(more if words[0] == "run" else ()))
        assert done.code == 0, f"{command}\n{done.out}\n{done.err}"
        outputs.append(done.out)
    audited, _, table = outputs
    assert "BROKEN" not in audited
    assert re.search(r"^ok +causality", audited, re.MULTILINE)
    for task in ("capacity", "online-tsf"):
        for label in ("delta", "linear-assoc", "surprise[gain=0.5]", "surprise[gain=1]"):
            section = table.split(f"{task}: ", 1)[1]
            assert re.search(rf"^ *{re.escape(label)} +\S*\d", section, re.MULTILINE), (task, label)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", README))))
def test_a_link_of_the_readme_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).is_file()


def test_the_readme_lists_every_shipped_suite() -> None:
    shipped = {file.stem for file in (ROOT / "suites").glob("*.yaml")}
    table = README.split("## Shipped suites", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == shipped


def test_the_suite_of_the_documentation_can_be_planned(
    memb: Memb,  # noqa: F811
    tmp_path: Path,
) -> None:
    text = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "suite.yaml").write_text(shown, encoding="utf-8")
    done = memb("plan", "suite.yaml", "--json")
    assert done.code == 0, done.err
    assert done.json["trials"] == 70
