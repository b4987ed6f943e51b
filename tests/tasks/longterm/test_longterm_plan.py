"""Which windows there are, and what a memory holds for them: the published counts and borders."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.data.splits import split_rows
from tasks.forecasting.recipes import OFFLINE
from tasks.longterm.plan import Plan, held_in_evaluation
from tasks.longterm.training import JointTraining
from tests.tasks.longterm.small_runs import plan

ETTH1 = split_rows(17_420, "ett-hourly", "offline")


def etth1(horizon: int, **more: Any) -> Plan:
    return plan(**{"split": ETTH1, "lookback": 96, "horizon": horizon, "chunk": 32} | more)


@pytest.mark.parametrize(
    ("horizon", "train", "batches", "test", "whole"),
    [
        (96, 8449, 265, 2785, 2784),
        (192, 8353, 262, 2689, 2688),
        (336, 8209, 257, 2545, 2528),
        (720, 7825, 245, 2161, 2144),
    ],
)
def test_etth1_has_the_published_windows_and_batches(horizon, train, batches, test, whole):
    """Wu et al. (2023): 12, 4 and 4 months of 30 days, look-back 96, batches of 32; partial
    batches are kept but where `drop_last_test` asks for what early versions did.
    """
    of = etth1(horizon)
    assert len(of.training) == train
    assert len(of.validation) == len(of.test) == test
    assert len(etth1(horizon, drop_last=True).test) == whole
    assert etth1(horizon, drop_last=True).test == of.test[:whole]
    assert JointTraining.per_epoch.fget(SimpleNamespace(plan=of)) == batches


@pytest.mark.parametrize("horizon", [96, 192])
def test_the_last_training_batch_of_etth1_may_hold_one_window(horizon):
    assert len(etth1(horizon).training) % 32 == 1


@pytest.mark.parametrize("horizon", [96, 720])
def test_etth1s_windows_begin_and_end_at_the_published_rows(horizon):
    """Targets from row 96 of training, 8640 of validation, 11520 of the test, up to the borders;
    inputs reach back 96 rows before a border; the last 3,020 rows are unused.
    """
    of = etth1(horizon)
    starts = {"training": 96, "validation": 8640, "test": 11_520}
    ends = {"training": 8640, "validation": 11_520, "test": 14_400}
    for part, first in starts.items():
        origins = getattr(of, part)
        assert origins[0] + 1 == first
        assert origins[0] - 95 == first - 96
        assert origins[-1] + horizon == ends[part] - 1
        assert origins.step == 1


def test_every_fourth_training_window_starts_at_a_multiple_of_four():
    of = etth1(96, stride=4)
    assert [o - 95 for o in of.training[:3]] == [0, 4, 8]
    assert len(of.training) == 2113
    assert len(of.test) == 2785


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_a_stream_stores_a_window_per_stride_from_the_first_training_window_on(stride):
    """Training windows, those before a border, and evaluated ones: no hole, none twice."""
    of = etth1(96, stride=stride)
    parts = (of.training, of.gap(ETTH1.a), of.validation, of.gap(ETTH1.b), of.test)
    stored = [o for part in parts for o in part if of.stored(o)]
    assert stored == list(range(95, 14_400 - 96, stride))
    assert all(of.stored(o) for o in of.training)


def test_windows_before_a_border_are_those_whose_targets_cross_it():
    of = etth1(96)
    for border in (ETTH1.a, ETTH1.b):
        crossing = [o for o in range(border - 300, border + 300) if o + 1 < border <= o + 96]
        assert list(of.gap(border)) == crossing
        assert len(crossing) == 95
    assert len(etth1(96, fill_gaps=False).gap(ETTH1.a)) == 0


def test_rates_of_the_ten_epochs_are_those_of_the_library():
    """lr 0.5^(e-1) is set after epoch e: 1e-4 twice, then halved at every epoch."""
    rates = [OFFLINE.learning_rates[0] * OFFLINE.share(epoch) for epoch in range(1, 11)]
    expected = [1e-4, 1e-4, 5e-5, 2.5e-5, 1.25e-5, 6.25e-6, 3.125e-6, 1.5625e-6, 7.8125e-7]
    assert rates == pytest.approx([*expected, 3.90625e-7], rel=1e-12)
    assert (OFFLINE.batch, OFFLINE.max_epochs, OFFLINE.patience) == (32, 10, 3)
    assert replace(OFFLINE, max_epochs=2).share(2) == 1


@pytest.mark.parametrize("own", ["stream", "empty", "frozen-train"])
@pytest.mark.parametrize("resets", [True, False])
def test_as_published_what_a_memory_holds_follows_from_its_reset_hook(own, resets):
    memory: Any = SimpleNamespace(memory_eval=own, resets=resets)
    assert held_in_evaluation(memory, "stream") == own
    published = held_in_evaluation(memory, "as-published")
    assert published == ("empty" if resets else "frozen-train")
