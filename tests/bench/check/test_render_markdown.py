from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bench.check.model import CellVerdict
from bench.check.render import render
from tests.bench.check.outcomes import (
    ALL,
    IDENTICAL,
    PASSING,
    REGRESSED,
    cell,
    judged,
    report,
    source,
)

MIB = 2**20


def table_rows(text: str) -> list[list[str]]:
    """The body rows of all pipe tables, split into cells."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [
        [part.strip() for part in line.strip("|").split(" | ")]
        for line in lines
        if not line.startswith("| verdict")
    ]


def many(count: int, made: CellVerdict) -> list[CellVerdict]:
    return [replace(made, cell=replace(made.cell, label=f"m{i}")) for i in range(count)]


def test_the_summary_begins_with_the_headline_and_the_counts() -> None:
    lines = render([report()], "markdown").splitlines()
    assert lines[0].startswith("## FAIL gate: 1 regressed, 2 missing or failed, 1 inconclusive")
    assert lines[2] == "1 regressed, 2 missing or failed, 2 inconclusive, 1 improved, 1 ok."


def test_cells_that_need_attention_stand_in_the_open_and_the_rest_is_folded_away() -> None:
    text = render([report()], "markdown")
    open_part, folded = text.split("<details>", 1)
    assert [row[1] for row in table_rows(open_part)] == [
        "worse", "gone", "broken", "open", "better"
    ]  # fmt: skip
    assert [row[0] for row in table_rows(folded)] == ["? inconclusive", "= ok"]
    assert "<summary>Other cells: 1 identical, 1 costs that cannot be compared</summary>" in folded
    assert folded.count("</details>") == 1
    assert "\n- One-sided paired t tests at 0.05" in folded.split("</details>")[1]


def test_a_check_without_findings_has_no_open_table() -> None:
    text = render([report([IDENTICAL])], "markdown")
    assert "need attention" not in text
    assert len(table_rows(text)) == 1


def test_of_many_findings_fifty_are_shown_and_the_others_counted() -> None:
    text = render([report([*many(53, REGRESSED), IDENTICAL])], "markdown")
    assert len(table_rows(text.split("<details>")[0])) == 50
    assert "and 3 more, see the JSON report" in text
    assert "more, see" not in render([report(many(50, REGRESSED))], "markdown")


@pytest.mark.parametrize("count", [3_000, 30_000])
def test_a_summary_of_very_many_cells_stays_below_a_mebibyte(count: int) -> None:
    long = judged("x" * 400, "ok", "identical", message="y" * 4_000)
    text = render([report([*many(60, REGRESSED), *[long] * count])], "markdown")
    assert len(text.encode()) < MIB
    assert len(table_rows(text.split("<details>")[0])) == 50
    assert re.search(r"and \d+ more, see the JSON report\n\n</details>", text)


def test_even_labels_of_a_mebibyte_do_not_break_the_limit() -> None:
    huge = judged("z" * MIB, "regressed", "beyond-tolerance")
    text = render([report([huge])], "markdown")
    assert len(text.encode()) < MIB
    assert "and 1 more, see the JSON report" in text


def test_names_and_messages_cannot_change_the_markup() -> None:
    wicked = CellVerdict(
        cell("a|b*<img>", "m_s_e"), "regressed", "failed", "error: `x` | </details>\n# no"
    )
    rows = table_rows(render([report([wicked])], "markdown").split("\n- ")[0])
    (row,) = rows
    assert len(row) == 9 + 1
    assert row[1] == r"a\|b\*\<img>"
    assert row[3] == r"m\_s\_e ↓"
    assert row[-1] == r"failed; error: \`x\` \| \</details> # no"


def test_two_baselines_have_a_heading_each() -> None:
    text = render([report(), report(PASSING, baseline=source("anchor.json"))], "markdown")
    assert re.findall(r"^### (\S+json)$", text, re.MULTILINE) == ["baseline.json", "anchor.json"]


def test_groups_stand_in_one_order_whatever_the_order_of_the_cells() -> None:
    shuffled = render([report(ALL[::-1])], "markdown")
    verdicts = [row[0] for row in table_rows(shuffled)]
    assert verdicts == [row[0] for row in table_rows(render([report(ALL)], "markdown"))]
    assert shuffled.endswith(".\n")
