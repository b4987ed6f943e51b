"""What stands around the table of a check: the headline, the counts, and how it was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.check.model import CheckReport, Detail, Source, exit_code
from bench.check.render.groups import GROUPS, collapsed, counts, group

HASH_DIGITS = 12
"""Digits of a commit or of a machine's identity that are shown."""

_QUIETLY: dict[Detail, str] = {
    "identical": "identical",
    "within-tolerance": "within tolerance",
    "slightly-better": "slightly better",
    "det": "compared directly and within tolerance",
    "new": "not in the baseline",
    "not-comparable": "costs that cannot be compared",
}
"""What a count of cells says for each detail that is not listed."""


def headline(reports: Sequence[CheckReport]) -> str:
    """Whether the check passes, and on what, in one line."""
    code = exit_code(reports)
    found = Counter(
        group(one)
        for report in reports
        for one in report.cells
        if one.is_alarm(report.policy) or one.is_open
    )
    told = [f"{found[name]} {name}" for name in GROUPS if found[name]]
    if not code or code == 3:
        told.insert(0, "no regression")
    total = sum(len(report.cells) for report in reports)
    against = f" against {len(reports)} baselines" if len(reports) > 1 else ""
    strict = ", and inconclusive cells fail this check" if code == 3 else ""
    word = "FAIL" if code else "PASS"
    return f"{word} {reports[0].suite}: {', '.join(told)}{strict} ({_cells(total)}{against})"


def summary(report: CheckReport) -> str:
    """The number of cells by group, in one line."""
    return ", ".join(f"{n} {name}" for name, n in counts(report).items())


def quiet_counts(report: CheckReport) -> str:
    """The number of cells by detail of those that are not listed; empty if there are none."""
    found = Counter(one.detail for one in collapsed(report))
    return ", ".join(
        f"{found[detail]} {text}" for detail, text in _QUIETLY.items() if found[detail]
    )


def incomparable(report: CheckReport) -> list[str]:
    """Why costs cannot be compared, in a sentence per reason."""
    cells = collapsed(report)
    why = Counter(one.message for one in cells if one.detail == "not-comparable")
    return [f"Not comparable: {text} ({_cells(n)})." for text, n in sorted(why.items())]


def footer(report: CheckReport) -> list[str]:
    """How the verdicts were decided, and on what, in sentences."""
    told = [*report.warnings, *incomparable(report), *_seeds(report), _rule(report)]
    told += [*_strictness(report), *_tolerances(report), *_costs(report), _environment(report)]
    told.append(f"Baseline: {_provenance(report.baseline)}. Run: {_provenance(report.current)}.")
    return told


def _seeds(report: CheckReport) -> list[str]:
    n = {one.n for one in report.cells if one.seeds}
    if not n:
        return []
    text = f"{min(n)}" if len(n) == 1 else f"{min(n)} to {max(n)}"
    return [f"n = {text} common seeds per cell, paired by seed."]


def _rule(report: CheckReport) -> str:
    policy = report.policy
    if policy.mode == "exact":
        return "Exact mode: every seed must give the same value, up to rounding; nothing is tested."
    if not report.m:
        return "Nothing is tested: every cell is a count, a cost, or the same on every seed."
    look = f" (alpha {policy.alpha:g} over two looks)" if policy.two_stage else ""
    over = " by more than the tolerance" if policy.strict_margin else ""
    return (
        f"One-sided paired t tests at {policy.level:g}{look}: regressed is worse{over} after "
        f"Holm's correction over m = {report.m} cells, and by more than the tolerance in the mean; "
        "ok is not worse by the tolerance, uncorrected, since that claim is made of all cells "
        "together; otherwise inconclusive."
    )


def _strictness(report: CheckReport) -> list[str]:
    if report.policy.fail_on == "inconclusive":
        return ["Inconclusive cells fail the check (exit code 3)."]
    return []


def _tolerances(report: CheckReport) -> list[str]:
    if report.policy.mode == "exact":
        return []
    found: dict[str, set[str]] = {}
    for one in report.cells:
        if one.cell.metric:
            given = report.policy.tolerances.get(one.cell.metric, one.cell.tolerance)
            found.setdefault(one.cell.metric, set()).add(str(given))
    told = [f"{metric} {' / '.join(sorted(texts))}" for metric, texts in sorted(found.items())]
    return [f"Tolerances: {', '.join(told)}."] if told else []


def _costs(report: CheckReport) -> list[str]:
    if not any(one.cell.kind == "perf" for one in report.cells):
        return []
    if report.policy.perf == "gate":
        return ["A cost that is slower twice fails the check."]
    return ["Costs are reported and fail nothing; --perf gate measures slower ones again."]


def _environment(report: CheckReport) -> str:
    told = [
        f"{one.key} {_short(one.baseline)} -> {_short(one.current)}" for one in report.environment
    ]
    return f"Environment differs: {'; '.join(told)}." if told else "Environment: the same."


def _short(value: Any) -> str:
    """A fact, a hash by its first digits."""
    text = str(value)
    is_hash = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:HASH_DIGITS] if is_hash else text


def _provenance(source: Source) -> str:
    commit = f", commit {source.git_commit[:HASH_DIGITS]}" if source.git_commit else ""
    created = f", {source.created}" if source.created else ""
    return f"{source.path} (memb {source.memb_version}{commit}{created})"


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
