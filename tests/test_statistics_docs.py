"""The statistics page, held to the code: its commands, options, words, columns and quoted tables.

The commands of every other page are parsed too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main

import cli
from bench import frame as frames
from bench.compare import Comparison, compare
from bench.compare.model import Mark, State, Verdict
from bench.compare.published_model import PublishedVerdict
from bench.compare.records import FAILURES
from bench.compare.selection import CHOICES
from bench.compare.time_model import Gap
from bench.stats.outperformance import LEAST_PAIRS, Meaning
from bench.tables import long_format, sheet
from bench.tables.grid import Grid
from bench.tables.symbols import UNICODE, to_ascii
from tests.bench.conftest import clean_plugins  # noqa: F401 - what `memb` takes
from tests.bench.forecast_runs import FROZEN, REFERENCE, ForecastRun, beside
from tests.bench.frames import ACCURACY, MSE, FrameBuilder
from tests.cli.conftest import Memb, memb  # noqa: F401 - a fixture for the tests here too

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = ROOT / "docs" / "statistics.md"
TEXT = PAGE.read_text(encoding="utf-8")
CODE = r"`([^`]+)`"
FENCED = r"^```\w*\n(.*?)^```"
GROUP = typer.main.get_command(cli.app)


def section(title: str) -> str:
    """The text between a heading of the page and the next one."""
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def table(head: str, text: str = TEXT) -> list[list[str]]:
    """Cells of the first table whose header begins with a word, row by row."""
    rows = text.split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def spans(text: str) -> set[str]:
    """What stands in code style, line breaks taken for blanks."""
    return {" ".join(found.split()) for found in re.findall(CODE, text)}


def commands(page: Path) -> set[str]:
    """Every `memb` command of a page, from blocks of code and from running text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(FENCED, text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    (memb .*)$", text, re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()] + indented
    shown = [re.sub(r"^(- )?(run|name): ", "", line) for line in lines]
    running = spans(re.sub(FENCED, "", text, flags=re.MULTILINE | re.DOTALL))
    found = {line for line in (*shown, *running) if re.match(r"memb( |$)", line)}
    return {re.split(r" [>|] | \\$", line)[0] for line in found}


ALL = sorted({(page.name, command) for page in PAGES for command in commands(page)})


def parsed(words: list[str]) -> None:
    """Parse a command line without running it; typer raises what the user would see."""
    group: Any = GROUP
    with group.make_context("memb", list(words), resilient_parsing=True) as context:
        while hasattr(group, "commands") and words:
            assert words[0] in group.commands, f"no verb '{words[0]}'"
            group, *words = group.commands[words[0]], *words[1:]
        known = {name for x in group.params for name in (*x.opts, *x.secondary_opts)}
        if words and not words[-1].startswith("-"):
            group.make_context(group.name, words, parent=context)
        else:  # a verb or an option that is only mentioned needs no arguments
            assert {word for word in words if word.startswith("-")} <= known, words


@pytest.mark.parametrize(("page", "command"), ALL)
def test_a_command_of_the_documentation_is_one_that_memb_takes(page: str, command: str) -> None:
    """`list|prune` names two verbs, and both are tried."""
    words = shlex.split(command, comments=True)[1:]
    several = [i for i, word in enumerate(words[:2]) if re.fullmatch(r"[a-z]+(\|[a-z]+)+", word)]
    for i in several:
        for word in words[i].split("|"):
            parsed([*words[:i], word, *words[i + 1 :]])
    if not several and words[:1] != ["--help"]:
        parsed(words)


def test_a_command_that_memb_does_not_take_is_found_out() -> None:
    for words in (["compar"], ["compare", "--posthock", "nemenyi"], ["compare", "--ci", "exact"]):
        with pytest.raises(Exception, match=r"compar|posthock|exact"):
            parsed(words)


def options_of_compare() -> list[Any]:
    verb: Any = GROUP
    return [x for x in verb.commands["compare"].params if x.param_type_name == "option"]


def test_the_page_explains_every_statistical_option_and_each_of_its_choices() -> None:
    found = [x.opts[0] for x in options_of_compare() if x.rich_help_panel == "Statistics"]
    assert {f"--{name}" for name in CHOICES} <= set(found)
    assert [name for name in found if name not in TEXT] == []
    words = set(re.findall(r"[\w-]+", TEXT))
    assert {choice for choices in CHOICES.values() for choice in choices} <= words


def test_every_option_that_the_page_names_is_one_of_compare() -> None:
    known = {name for x in options_of_compare() for name in (*x.opts, *x.secondary_opts)}
    assert set(re.findall(r"(?<![\w|-])--[a-z]+(?:-[a-z]+)*", TEXT)) <= known


def test_the_page_explains_every_mark_by_its_sign_name_and_ascii_form() -> None:
    rows = table("mark")
    assert set(get_args(Mark)) <= set(UNICODE)
    for name, sign in UNICODE.items():
        (row,) = (r for r in rows if sign in spans(r[0]))
        assert to_ascii(sign) in spans(row[1]), name
        if name in get_args(Mark):
            assert name in spans(row[2])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (get_args(Verdict), "\n".join(row[0] for row in table("verdict"))),
        (set(get_args(State)) - {"complete"}, "\n".join(row[1] for row in table("cell"))),
        (set(FAILURES) - {"missing"}, "\n".join(row[1] for row in table("cell"))),
        (set(get_args(Gap)) - {""}, section("Forecasts of a fixed series")),
        (set(get_args(PublishedVerdict)) - {""}, section("Published numbers")),
        (get_args(Meaning), section("What n can resolve")),
    ],
    ids=["verdicts", "states", "statuses", "gaps", "published", "outperformance"],
)
def test_the_page_explains_every_word_that_a_table_can_print(words: Any, where: str) -> None:
    assert set(words) <= spans(where)


def test_the_page_names_the_words_that_tasks_put_into_notes() -> None:
    from tasks.association.storage import STORES_NOTHING
    from tasks.forecasting.outcome import TOO_GOOD_MARK
    from tasks.interference import NOT_INTERPRETABLE

    assert {STORES_NOTHING, TOO_GOOD_MARK, NOT_INTERPRETABLE} <= spans(section("Reading a table"))


def ranked() -> FrameBuilder:
    """Four memories on eight tasks of two kinds, as many seeds as P(A>B) takes, one failure."""
    found = FrameBuilder()
    for place in range(8):
        metric = replace(MSE, chance=1.0, ceiling=0.0) if place % 2 else ACCURACY
        metric = replace(metric, chance=1.0 if place % 2 else 0.0, ceiling=1.0 - place % 2)
        for rank, label in enumerate(("first", "second", "third", "last")):
            step = 0.01 * rank if place % 2 else -0.01 * rank
            values: list[float | str] = [
                0.5 + step + 0.001 * ((7 * seed + 3 * rank + place) % 5)
                for seed in range(LEAST_PAIRS)
            ]
            if (label, place) == ("last", 7):
                values[0] = "oom"
            found.cell(label, values, task=f"task-{place}", metric=metric)
    return found


def small() -> FrameBuilder:
    found = FrameBuilder().cell("first", [0.1, 0.2, 0.3, 0.4, 0.5])
    return found.cell("second", [0.11, 0.22, 0.31, 0.43, 0.52])


@cache
def forecasts(folder: Path) -> Comparison:
    run = ForecastRun(folder / "run").forecaster("first", REFERENCE)
    run.forecaster("second", beside(FROZEN, 0.05)).write()
    file = folder / "published.yaml"
    file.write_text(
        "task: forecast\nparams: {}\nmetrics: {mse: mean squared error}\nsources: {a: A 2024}\n"
        "results:\n  - {name: theirs, metric: mse, value: 0.7, memory: first, source: a}\n",
        encoding="utf-8",
    )
    return compare(frames.load([folder / "run"]), published=str(file))


def printed(folder: Path) -> Iterator[Grid]:
    """The tables of comparisons that together have every column."""
    standings = {"task-0": {"first": {"ranked": True, "fill": 0.95}}}
    over_tasks = ranked().frame(standings=standings)
    for comparison in (
        compare(over_tasks, pab=True, rows="task"),
        compare(over_tasks, rows="task", posthoc="nemenyi"),
        compare(over_tasks, rows="task", posthoc="reference"),
        compare(small().frame()),
        compare(small().frame(), mode="all-pairs", correction="none"),
        forecasts(folder),
    ):
        yield from sheet.build(comparison).grids


def plain(header: str) -> str:
    """A column's name with the metric, label and correction that it holds replaced by one."""
    name = re.sub(r" \[95% CI\]| [↑↓]", "", header)
    name = re.sub(r"\((raw|BH|Hommel|Bonferroni)\)", "(Holm)", name)
    name = re.sub(r"^(mse|accuracy)$", "METRIC", name)
    return re.sub(r"\b(first|second|third|last)\b", "X", name)


def test_the_page_explains_every_column_and_none_that_is_not_there(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    seen = {plain(h) for g in printed(tmp_path_factory.mktemp("columns")) for h in g.header}
    tables = [*table("column"), *table("column", section("Over several tasks"))]
    explained = spans("\n".join(row[0] for row in tables))
    explained |= spans(section("Published numbers").split("Columns: ", 1)[1])
    assert {plain(name) for name in explained} == seen - {"memory", "pair"}


def test_the_page_names_every_field_of_csv_and_json(tmp_path: Path) -> None:
    fields = {name for line in long_format.lines(forecasts(tmp_path)) for name in line}
    named = {span for row in table("field") for span in spans(" ".join(row))}
    ends = {span[:-1] for span in named if span.endswith("_*")}
    covered = {x for x in fields if x in named or x.rpartition("_")[0] + "_" in ends}
    assert fields - covered == set()
    assert {x for x in named if x.isidentifier()} <= fields


def quoted() -> list[tuple[str, list[str]]]:
    """Each command on committed records, with the lines of its output that the page shows."""
    found = re.findall(
        r"`(memb\s+compare\s+results/records/[^`]+)`[^`]*\n\n```\n(.*?)```", TEXT, re.DOTALL
    )
    return [(" ".join(command.split()), block.splitlines()) for command, block in found]


def test_four_tables_are_quoted() -> None:
    assert len(quoted()) == 4


@pytest.mark.parametrize(
    ("command", "lines"), quoted(), ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_quoted_table_is_what_the_command_prints(
    command: str,
    lines: list[str],
    memb: Memb,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    done = memb(*shlex.split(command)[1:])
    assert done.code == 0, done.err
    tables = [{line.rstrip() for line in part.splitlines()} for part in done.out.split("\n\n")]
    assert any(set(lines) <= part for part in tables), done.out


def test_the_quoted_forecasts_are_those_of_the_leaderboard() -> None:
    page = (ROOT / "results" / "reference" / "etth1.md").read_text(encoding="utf-8")
    part = page.split("### etth1[horizon=24]: mse, lower is better", 1)[1].split("\n###", 1)[0]
    heads, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    known = {row[0]: dict(zip(heads, row, strict=True)) for row in rows}
    text = section("Forecasts of a fixed series")
    shown = [cell.strip() for cell in text.split("\n| memory", 1)[1].splitlines()[0].split("|")]
    shown = ["memory", *shown[1:-1]]
    quotes = table("memory", text)
    assert len(quotes) == 3
    for row in quotes:
        for name, cell in zip(shown, row, strict=True):
            assert known[row[0]][name] == cell


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_a_link_of_the_statistics_page_leads_to_a_file(link: str) -> None:
    assert (PAGE.parent / link).is_file()
