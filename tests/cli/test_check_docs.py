"""The page on `memb check`: its commands run, its numbers are the measured ones."""

from __future__ import annotations

import csv
import math
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy import stats

from bench import plan, suite
from bench.check.baseline import load
from tests.bench.small_runs import suite_text
from tests.cli.conftest import Memb
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "check.md"
TEXT = PAGE.read_text(encoding="utf-8")
WORKFLOW = ROOT / ".github" / "workflows" / "memb.yml"
BASELINE = ROOT / "results" / "baselines" / "check.json"
RATES = ROOT / "tests" / "bench" / "check" / "operating_characteristics.tsv"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def words(command: str) -> list[str]:
    """What a command of the page hands to memb."""
    name, *found = shlex.split(command, comments=True)
    assert name == "memb"
    return found


def loaded(text: str) -> Any:
    """A workflow; YAML reads its key `on` as a truth value."""
    return yaml.safe_load(text.replace("\non:", "\n'on':"))


def test_the_commands_of_the_page_run_one_after_the_other(memb: Memb, tmp_path: Path) -> None:
    """With the plug-in that the README shows, and a suite of seconds."""
    plugin = re.search(r"<!-- file: surprise.py -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert plugin is not None
    (tmp_path / "surprise.py").write_text(plugin.group(1), encoding="utf-8")
    text = suite_text("surprise\n{name: delta}", name="mine", seeds="3")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    commands = [line for line in TEXT.splitlines() if line.startswith("memb ")]
    assert [shlex.split(command)[1] for command in commands] == ["run", *["check"] * 3]
    first, written, checked, anchored = commands
    for command in (first, written, checked):
        done = memb(*words(command))
        assert done.code == 0, f"{command}\n{done.out}\n{done.err}"
    assert done.out.startswith("PASS mine: no regression")
    (tmp_path / "release-1.0.json").write_bytes((tmp_path / "baseline.json").read_bytes())
    done = memb(*words(anchored), "--plugin", "surprise.py")
    assert done.code == 0, done.err
    assert "against 2 baselines" in done.out


def test_the_rates_are_those_of_the_simulation() -> None:
    with RATES.open(encoding="utf-8", newline="") as file:
        simulated = {row["what"]: row["rate"] for row in csv.DictReader(file, delimiter="\t")}
    table = TEXT.split("<!-- rates -->\n", 1)[1].split("\n\n", 1)[0]
    shown = dict(re.findall(r"^\| (.+) \| ([\d.]+) \|$", table, re.MULTILINE))
    assert len(shown) >= 10
    assert shown == {what: simulated[what] for what in shown}


def test_the_false_alarms_of_times_are_those_of_normal_run_effects() -> None:
    """Log times of runs scatter by s: a false alarm is a difference of two runs, of sd s sqrt 2,
    beyond log 1.25; measured again, two of them that share the baseline, correlated by 1/2. To
    the digits that are shown; `tests/bench/check/test_performance.py` simulates the rule itself."""
    rows = re.findall(r"^\| (\d+) % \| (\.\d+) \| (\.\d+) \|$", section("Times"), re.MULTILINE)
    assert len(rows) == 3
    both = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]])
    for percent, once, twice in rows:
        bound = math.log(1.25) / (int(percent) / 100 * math.sqrt(2))
        exact = {once: stats.norm.sf(bound), twice: both.cdf([-bound, -bound])}
        for shown, rate in exact.items():
            assert round(float(rate), len(shown) - 1) == float(shown)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (PAGE.parent / link).is_file()


def test_the_tolerances_of_the_page_are_read_from_a_suite(memb: Memb, tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(statistics:.*?)```", TEXT, re.DOTALL)
    (tmp_path / "mine.yaml").write_text(f"{suite_text('delta')}{shown}", encoding="utf-8")
    done = memb("plan", "mine.yaml")
    assert done.code == 0, done.err


def test_every_exit_code_is_told() -> None:
    codes = re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "130"]


@pytest.mark.parametrize("shown", [True, False])
def test_a_workflow_runs_the_check_and_leaves_its_reports(shown: bool) -> None:
    """The one that is in use, and the one that is shown for another repository."""
    text = WORKFLOW.read_text(encoding="utf-8")
    if shown:
        text = TEXT.split("<!-- file: .github/workflows/memory.yml -->\n```yaml\n")[1]
        text = text.split("```")[0]
    workflow = loaded(text)
    assert workflow["on"]
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert any("check" in run for run in runs)
    assert any("$GITHUB_STEP_SUMMARY" in run for run in runs)
    uses = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert uses == ["actions/checkout", "actions/setup-python", "actions/upload-artifact"]
    (setup,) = [step for step in job["steps"] if "setup-python" in step.get("uses", "")]
    assert setup["with"]["python-version"] == "3.11"
    late = job["steps"][-2:]
    assert all("!cancelled()" in step["if"] for step in late), "also after a failed check"


def test_the_workflow_in_use_finds_the_reports_that_make_writes() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    workflow = WORKFLOW.read_text(encoding="utf-8")
    assert "markdown=build/check/summary.md" in recipe
    assert "build/check/summary.md" in workflow
    assert "path: build/check\n" in workflow
    for name in ("check", "test"):
        assert f"run: make {name}\n" in workflow
        assert f"\nmake {name}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").stat().st_mode & stat.S_IXUSR


def test_the_command_of_the_workflow_shown_is_one_that_memb_takes(memb: Memb) -> None:
    """It gets as far as looking for its baseline."""
    text = TEXT.split("<!-- file: .github/workflows/memory.yml -->\n```yaml\n")[1].split("```")[0]
    (job,) = loaded(text)["jobs"].values()
    (command,) = [s["run"] for s in job["steps"] if s.get("run", "").startswith("memb ")]
    done = memb(*words(command))
    assert done.code == 2
    assert "no baseline baseline.json" in done.err


def test_the_committed_baseline_is_that_of_the_suite_of_the_gate() -> None:
    """Same memories, tasks and seeds; every primary metric of every cell."""
    planned = plan.make(suite.load(str(ROOT / "suites" / "check.yaml")))
    expected = {(cell.task_label, cell.label, cell.protocol_hash) for cell in planned.cells}
    held = load(BASELINE)
    found = {(one.task_label, one.label, one.protocol_hash) for one in held.cells}
    assert found == expected
    primary = [one for one in held.cells if one.primary]
    assert {one.label for one in primary} == {cell.label for cell in planned.cells}
    for one in primary:
        assert set(one.values) == set(planned.suite.seeds), one.name
        assert None not in one.values.values()
