"""A check as JUnit XML, which CI services show as tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as xml

from bench.check.model import CellVerdict, CheckReport
from bench.check.render.groups import group, in_order, labels
from bench.check.run import place

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, not even escaped."""


def render(reports: Sequence[CheckReport]) -> str:
    """The reports as XML: a test suite per task, a test case per memory, metric and coordinate.

    A regression is a ``failure`` of type ``regression``, a missing or failed cell an ``error``, an
    inconclusive one ``skipped``, or a ``failure`` of type ``inconclusive`` where it fails the
    check. The time of a case is that of the trials behind it; a suite counts each trial once.
    """
    root = xml.Element("testsuites", {"name": "memb check"})
    for name, report in zip(labels(reports), reports, strict=True):
        for task, cells in _by_task(report).items():
            _suite(root, f"{task} [{name}]" if name else task, task, cells, report)
    _count(root, [suite.attrib for suite in root])
    xml.indent(root)
    body = xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _by_task(report: CheckReport) -> dict[str, list[CellVerdict]]:
    """The cells of each task, tasks by name, cells by severity."""
    found: dict[str, list[CellVerdict]] = {}
    for one in sorted(report.cells, key=lambda one: place(one.cell)):
        found.setdefault(one.cell.task_label, []).append(one)
    return {task: in_order(cells) for task, cells in found.items()}


def _suite(
    root: xml.Element, name: str, task: str, cells: Sequence[CellVerdict], report: CheckReport
) -> None:
    suite = xml.SubElement(root, "testsuite", {"name": _legal(name)})
    properties = xml.SubElement(suite, "properties")
    about = {"baseline": report.baseline.path, "run": report.current.path}
    for key, value in about.items():
        xml.SubElement(properties, "property", {"name": key, "value": _legal(value)})
    taken: Counter[str] = Counter()
    for found in cells:
        title = _title(found)
        taken[title] += 1
        if taken[title] > 1:  # a service that goes by names would show the last one alone
            title = f"{title} #{taken[title]}"
        _case(suite, title, f"{report.suite}.{task}", found, report)
    kinds = Counter(child.tag for case in suite.iter("testcase") for child in case)
    seconds = sum({one.cell.row_id: one.wall_s for one in cells}.values())
    suite.attrib |= {
        "tests": str(len(cells)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "skipped": str(kinds["skipped"]),
        "time": _seconds(seconds),
    }


def _count(root: xml.Element, suites: Sequence[dict[str, str]]) -> None:
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite[key]) for suite in suites)))
    root.set("time", _seconds(sum(float(suite["time"]) for suite in suites)))


def _title(found: CellVerdict) -> str:
    cell = found.cell
    at = "" if cell.x is None else f"@{cell.x:g}"
    return f"{cell.label}[{cell.metric or 'all trials'}{at}]"


def _case(
    suite: xml.Element, title: str, where: str, found: CellVerdict, report: CheckReport
) -> None:
    case = xml.SubElement(
        suite,
        "testcase",
        {"classname": _legal(where), "name": _legal(title), "time": _seconds(found.wall_s)},
    )
    said = _legal(": ".join(filter(None, [found.detail, found.message])))
    outcome = _outcome(found, report)
    if outcome is None:
        return
    tag, kind = outcome
    attributes = {"message": said} | ({"type": kind} if kind else {})
    element = xml.SubElement(case, tag, attributes)
    if tag != "skipped":
        element.text = _legal(_evidence(found))


def _outcome(found: CellVerdict, report: CheckReport) -> tuple[str, str] | None:
    """The element of a case and its type; None where it passes."""
    if found.is_alarm(report.policy):
        if group(found) == "missing or failed":
            return "error", found.detail
        return "failure", "regression" if found.verdict == "regressed" else "change"
    if found.verdict == "ok":
        return None
    if found.is_open and report.policy.fail_on == "inconclusive":
        return "failure", "inconclusive"
    return "skipped", ""


def _evidence(found: CellVerdict) -> str:
    """The numbers behind a verdict, one per line."""
    numbers = {
        "baseline": found.baseline_mean, "current": found.current_mean, "sd of change": found.sd,
        "margin": found.delta, "p worse": found.p_worse, "p worse (Holm)": found.p_worse_holm,
        "p not worse": found.p_ni,
    }  # fmt: skip
    known = [f"{name}: {value!r}" for name, value in numbers.items() if value is not None]
    return "\n".join([found.cell.name, *known])


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _legal(text: str) -> str:
    return ILLEGAL.sub("", text)
