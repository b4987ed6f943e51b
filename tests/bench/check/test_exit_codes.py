"""What a check comes to: which verdicts count, and which code stands for several baselines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.check import Policy, exit_code
from tests.bench.check.outcomes import OPEN, REGRESSED, judged, report

CHANGED = judged("changed", "ok", "changed")


@pytest.mark.parametrize(
    ("codes", "code"), [((0, 0), 0), ((0, 3), 3), ((3, 1), 1), ((1, 3), 1), ((0, 1), 1)]
)
def test_the_worst_baseline_decides_and_1_is_worse_than_3(
    codes: tuple[int, ...], code: int
) -> None:
    assert exit_code([report((), code=one) for one in codes]) == code


def test_what_does_not_gate_is_neither_an_alarm_nor_open() -> None:
    assert REGRESSED.is_alarm(Policy())
    assert OPEN.is_open
    assert not replace(REGRESSED, gates=False).is_alarm(Policy())
    assert not replace(OPEN, gates=False).is_open


def test_a_change_is_an_alarm_unless_improvements_are_allowed() -> None:
    assert CHANGED.is_alarm(Policy())
    assert not CHANGED.is_alarm(Policy(allow_improvement=True))
    assert not CHANGED.is_open
