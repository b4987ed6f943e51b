"""`memb show`: what a person is shown of a task is what a run is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import registry
from bench.running.workbench import Workbench
from bench.verbs.show import TaskStreams
from tests.cli.conftest import Memb, Result
from tests.tasks import cells

BARE = '''\
"""A task that has nothing to show."""

from bench.registry import task
from tasks.base import Task


@task("bare", family="test")
class Bare(Task):
    """Scores nothing."""

    def run(self, bench):
        return []
'''

SHOWN = {
    "pair-recall": (["-p", "items=3"], "its value"),
    "interference": (["-p", "items=2", "-p", "cue=context"], "context"),
    "mqar-tokens": (["-p", "eval_sequences=2"], "tokens since its value"),
    "episodic-events": (["-p", "events=20"], "values among them"),
    "online-tsf": (["-p", "dataset=sm-co2"], "co2, in standard deviations"),
}


def shown(memb: Memb, *words: object) -> Result:
    said = memb("show", *words)
    assert (said.code, said.err) == (0, ""), said.err
    return said


@pytest.mark.parametrize("task", SHOWN)
def test_a_pipe_gets_plain_text(memb: Memb, task: str) -> None:
    words, expected = SHOWN[task]
    text = shown(memb, task, *words, "-n", 2).out
    assert expected in text
    assert "\x1b" not in text
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("task", SHOWN)
def test_json_holds_the_settings_and_as_many_samples_as_asked(memb: Memb, task: str) -> None:
    words, _ = SHOWN[task]
    said = shown(memb, task, *words, "-n", 2, "--seed", 1, "--format", "json").json
    assert said["schema"] == "memb-show/1"
    assert (said["task"], said["seed"]) == (task, 1)
    name, value = words[1].split("=")
    assert str(said["params"][name]) == value
    assert len({sample["title"] for sample in said["samples"]}) == 2
    assert all(sample["parts"] for sample in said["samples"])
    assert said == shown(memb, task, *words, "-n", 2, "--seed", 1, "--json").json


@pytest.mark.parametrize("task", ["pair-recall", "episodic-events"])
def test_the_seed_changes_what_is_shown_and_nothing_else_does(memb: Memb, task: str) -> None:
    first, again, other = (shown(memb, task, "--seed", s).out for s in (0, 0, 1))
    assert first == again != other


def test_more_samples_begin_with_the_same_ones(memb: Memb) -> None:
    one, two = (shown(memb, "pair-recall", "-n", n, "--json").json for n in (1, 2))
    assert two["samples"][:1] == one["samples"]


def test_samples_come_from_the_streams_of_a_run() -> None:
    bench, streams = Workbench(cells.cell("delta", "capacity"), [4]), TaskStreams("capacity")
    for split in ("validation", "test"):
        ours, theirs = (s.rng(4, split, "part", 1) for s in (streams, bench))
        assert ours.integers(2**60) == theirs.integers(2**60)
        one, other = (s.torch_rng(4, split, "part", 1) for s in (streams, bench))
        assert one.initial_seed() == other.initial_seed()


def test_the_target_of_a_forecast_follows_its_window(memb: Memb) -> None:
    said = shown(memb, "online-tsf", "-p", "horizon=5", "-p", "lookback=10", "--json").json
    plot = said["samples"][0]["parts"][1]
    window, target = plot["curves"]
    assert (len(window["values"]), len(target["values"])) == (10, 5)
    assert target["start"] == window["start"] + 10


def test_origins_are_spread_over_the_test_rows(memb: Memb) -> None:
    words = ["online-tsf", "-p", "dataset=synth-drift", "-p", "options={rows: 600}", "-n", 3]
    said = shown(memb, *words, "--json").json
    origins = [sample["parts"][0]["values"]["origin"] for sample in said["samples"]]
    assert origins[1] - origins[0] == pytest.approx(origins[2] - origins[1], abs=1)
    other = shown(memb, *words, "--json", "--seed", 1).json
    assert other["samples"][0]["parts"][1] != said["samples"][0]["parts"][1]


def test_a_task_without_samples_names_those_that_have_them(memb: Memb) -> None:
    Path("bare.py").write_text(BARE, encoding="utf-8")
    said = memb("show", "bare", "--plugin", "bare.py")
    assert (said.code, said.out) == (2, "")
    assert "task 'bare' has no samples to show" in said.err
    assert "these have: capacity," in said.err
    assert "online-tsf" in said.err


def test_every_task_of_ours_has_samples() -> None:
    from tasks.base import Task

    for entry in registry.entries("task"):
        if entry.cls.__module__.startswith("tasks."):
            assert entry.cls.samples is not Task.samples, entry.name


@pytest.mark.parametrize(
    ("words", "finding", "remedy"),
    [
        (["pair-recal"], "unknown task 'pair-recal'", "did you mean 'pair-recall'?"),
        (["pair-recall", "-p", "item=3"], "unknown parameter 'item'", "did you mean 'items'?"),
        (["pair-recall", "-p", "items=many"], "items must be a whole number", "--set items"),
        (["pair-recall", "-p", "items=[2, 3]"], "items must be a whole number", "--set items"),
        (["pair-recall", "-p", "items"], "not NAME=VALUE", "--set"),
        (["pair-recall", "-p", "items=2000"], "2000 items need 2000 codes", "raise pool"),
        (["pair-recall", "-p", "item=3", "-p", "dim=x"], "2 problems", "--set dim"),
        (["online-tsf", "-p", "dataset=sm-co3"], "sm-co3", "--set dataset"),
        (["pair-recall", "--data-dir", "nowhere"], "no folder nowhere", "existing folder"),
        (["pair-recall", "-n", "0"], "'--number' / '-n'", "should be greater than or equal"),
        (["pair-recall", "--format", "csv"], "csv", "'json'"),
    ],
)
def test_wrong_input_is_refused_with_a_remedy(
    memb: Memb, words: list[str], finding: str, remedy: str
) -> None:
    said = memb("show", *words)
    assert (said.code, said.out) == (2, "")
    assert finding in said.err
    assert remedy in said.err


def test_a_terminal_is_shown_colours_and_its_own_width(
    memb: Memb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    text = shown(memb, "online-tsf", "-p", "dataset=sm-co2").out
    assert "\x1b[1m" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert 50 < max(map(len, plain.splitlines())) <= 60


def test_a_blank_line_stands_between_the_parts_of_a_sample(memb: Memb) -> None:
    text = shown(memb, "pair-recall").out
    assert "\n\nwritten\n" in text
    assert "\n\nasked\n" in text
    assert "\n\n\n" not in text


def test_the_verb_explains_itself_and_is_listed(memb: Memb) -> None:
    assert "memb show" in memb("show", "--help").out
    assert "Draw samples of a task" in memb("--help").out
