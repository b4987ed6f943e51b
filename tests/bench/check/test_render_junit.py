"""JUnit XML, parsed back: what CI services read from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree as xml

import pytest

from bench.check.model import CellVerdict, CheckReport, Policy
from bench.check.render import render
from tests.bench.check.outcomes import (
    ALL,
    FAILED,
    IDENTICAL,
    IMPROVED,
    MISSING,
    OPEN,
    PASSING,
    REGRESSED,
    cell,
    judged,
    report,
    source,
)

COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def parsed(*reports: CheckReport) -> xml.Element:
    """The document; its counts agree with its elements at both levels."""
    text = render(reports, "junit")
    assert text.startswith('<?xml version="1.0" encoding="utf-8"?>\n')
    root = xml.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    for element in (root, *root.findall("testsuite")):
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
        for attribute, tag in COUNTED.items():
            assert int(element.attrib[attribute]) == len(list(element.iter(tag)))
    for suite in root:
        first, *others = (child.tag for child in suite)
        assert first == "properties"
        assert set(others) == {"testcase"}
    return root


def case(root: xml.Element, name: str) -> xml.Element:
    (found,) = [one for one in root.iter("testcase") if one.attrib["name"] == name]
    return found


def outcome(root: xml.Element, name: str) -> tuple[str, str] | None:
    """Tag and type of what a case says beside passing."""
    children = list(case(root, name))
    assert len(children) <= 1
    return (children[0].tag, children[0].attrib.get("type", "")) if children else None


def test_each_verdict_has_its_element() -> None:
    root = parsed(report())
    assert outcome(root, "worse[mse]") == ("failure", "regression")
    assert outcome(root, "gone[mse]") == ("error", "missing")
    assert outcome(root, "broken[mse]") == ("error", "failed")
    assert outcome(root, "open[mse]") == ("skipped", "")
    assert outcome(root, "better[mse]") is None
    assert outcome(root, "same[mse]") is None
    assert outcome(root, "same[read_us@256]") == ("skipped", "")
    (suite,) = root
    assert suite.attrib["name"] == "drift"
    counts = {key: suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "7", "failures": "1", "errors": "2", "skipped": "2"}


def test_a_case_is_named_by_suite_task_memory_metric_and_coordinate() -> None:
    cells = [
        judged("a", "ok", "identical"),
        replace(judged("a", "ok", "identical"), cell=cell("a", task="recall", x=64.0)),
        CellVerdict(cell("a", "", task="recall"), "regressed", "failed", "error: x"),
    ]
    root = parsed(report(cells))
    named = {(one.attrib["classname"], one.attrib["name"]) for one in root.iter("testcase")}
    assert named == {
        ("gate.drift", "a[mse]"), ("gate.recall", "a[mse@64]"), ("gate.recall", "a[all trials]")
    }  # fmt: skip
    assert [suite.attrib["name"] for suite in root] == ["drift", "recall"]


def test_inconclusive_fails_where_the_check_fails_on_it_but_costs_elsewhere_do_not() -> None:
    root = parsed(report(PASSING, policy=Policy(fail_on="inconclusive"), code=3))
    assert outcome(root, "open[mse]") == ("failure", "inconclusive")
    assert outcome(root, "same[read_us@256]") == ("skipped", "")


def test_a_change_in_exact_mode_is_a_failure_unless_it_is_allowed() -> None:
    changed = replace(IMPROVED, detail="changed")
    root = parsed(report([changed], policy=Policy(mode="exact"), code=1))
    assert outcome(root, "better[mse]") == ("failure", "change")
    allowed = Policy(mode="exact", allow_improvement=True)
    assert outcome(parsed(report([changed], policy=allowed)), "better[mse]") is None


def test_lost_seeds_are_an_error() -> None:
    lost = CellVerdict(cell("m"), "regressed", "missing-seeds", "only 2 of 5 seeds ran")
    assert outcome(parsed(report([lost])), "m[mse]") == ("error", "missing-seeds")


def test_a_failure_holds_the_numbers_behind_it() -> None:
    (failure,) = case(parsed(report()), "worse[mse]")
    assert failure.attrib["message"] == "beyond-tolerance"
    assert failure.text is not None
    lines = failure.text.splitlines()
    assert lines[0] == "worse on drift: mse"
    assert "p worse (Holm): 0.0077" in lines


def test_times_are_those_of_the_trials_counted_once_in_a_suite() -> None:
    """Two metrics of the same five trials took 1.5 s together, those of FAILED .25 s."""
    again = replace(REGRESSED, cell=replace(REGRESSED.cell, metric="mae"))
    root = parsed(report([REGRESSED, again, FAILED]))
    assert case(root, "worse[mse]").attrib["time"] == "1.500"
    assert case(root, "worse[mae]").attrib["time"] == "1.500"
    (suite,) = root
    assert suite.attrib["time"] == root.attrib["time"] == "1.750"


def test_what_xml_cannot_hold_is_left_out() -> None:
    wicked = CellVerdict(
        cell("a\x00\x1b[1m\ud800\ufffe<b>&"), "regressed", "failed", "boom \x07 ]]> é 😀 \x85"
    )
    root = parsed(report([wicked]))
    (found,) = root.iter("testcase")
    assert found.attrib["name"] == "a[1m<b>&[mse]"
    assert found[0].attrib["message"] == "failed: boom  ]]> é 😀 \x85"


def test_cells_of_one_name_are_told_apart() -> None:
    """A memory whose parameters changed is missing under the old ones and new under the same
    label: a service that goes by names must not show the second in place of the first."""
    new = CellVerdict(replace(MISSING.cell, cell_id="other"), "ok", "new", gates=False)
    root = parsed(report([MISSING, new]))
    assert outcome(root, "gone[mse]") == ("error", "missing")
    assert outcome(root, "gone[mse] #2") is None


@pytest.mark.parametrize("cells", [ALL, PASSING, (IDENTICAL,), (OPEN, OPEN)])
def test_two_baselines_have_suites_of_their_own(cells: tuple[CellVerdict, ...]) -> None:
    root = parsed(report(cells), report(PASSING, baseline=source("anchor.json")))
    names = Counter(suite.attrib["name"] for suite in root)
    assert names == {"drift [baseline.json]": 1, "drift [anchor.json]": 1}
    properties = [
        {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")} for suite in root
    ]
    assert properties[1] == {"baseline": "anchor.json", "run": "results/gate"}
