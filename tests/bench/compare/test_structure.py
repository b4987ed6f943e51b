"""Laws of a comparison as a whole: symmetry, invariance, determinism."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.compare import Contrast, compare
from bench.tables import FORMATS, render
from tests.bench.frames import FrameBuilder

VALUES = {
    "ref": [0.405, 0.417, 0.397, 0.409, 0.418],
    "a": [0.391, 0.402, 0.388, 0.410, 0.399],
    "b": [0.305, 0.318, 0.296, 0.310, 0.317],
    "c": [0.505, 0.518, "oom", 0.510, 0.517],
}


C = [0.505, 0.518, 0.499, 0.510, 0.517]


def frame(values: dict[str, list[float | str]] | None = None) -> pd.DataFrame:
    builder = FrameBuilder()
    for label, found in (values or VALUES).items():
        builder.cell(label, found)
        builder.cell(label, found[::-1], task="drift")
    return builder.frame()


def by_pair(comparison: object) -> dict[tuple[str, str, str], Contrast]:
    return {(s.task_label, c.label, c.against): c for s in comparison.sections for c in s.contrasts}


def test_swapping_two_memories_flips_signs_and_marks_and_leaves_p() -> None:
    forth = by_pair(compare(frame(), reference="ref"))
    back = by_pair(compare(frame(), reference="b"))
    one, other = forth["recall", "b", "ref"], back["recall", "ref", "b"]
    assert one.p_raw == other.p_raw
    assert one.difference == -(other.difference or 0)
    assert (one.d_z, one.verdict) == (-(other.d_z or 0), "better")
    assert other.verdict == "worse"


def test_adding_a_memory_never_changes_the_raw_p_of_others() -> None:
    few = {label: VALUES[label] for label in ("ref", "a", "b")}
    before, after = by_pair(compare(frame(few))), by_pair(compare(frame()))
    assert all(after[pair].p_raw == contrast.p_raw for pair, contrast in before.items())


FAILURES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=12
)
"""Which trials fail: task, memory, seed."""


@given(FAILURES, st.sampled_from(["holm", "bh", "hommel", "bonferroni"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_failures_never_make_a_claim_elsewhere_easier(
    failures: list[tuple[int, int, int]], correction: str, whole_tasks: bool
) -> None:
    """Whatever fails, adjusted p of the pairs that lack nothing is never smaller than without."""
    whole = frame({label: values for label, values in VALUES.items() if label != "c"} | {"c": C})
    broken = whole.copy()
    broken.attrs = whole.attrs
    tasks, labels = list(whole["task_label"].unique()), list(VALUES)
    for task, label, seed in failures:
        lost = broken["task_label"] == tasks[task]
        if not whole_tasks:
            lost &= (broken["label"] == labels[label]) & (broken["seed"] == seed)
        broken.loc[lost, ["status", "value"]] = ["oom", np.nan]
        if whole_tasks:  # then not even its metric is known
            broken.loc[lost, ["metric", "primary"]] = ["", False]
    options = {"reference": "ref", "mode": "all-pairs", "correction": correction}
    before, after = (by_pair(compare(f, **options)) for f in (whole, broken))
    for pair, contrast in after.items():
        intact = before[pair]
        if contrast.n == intact.n:
            assert contrast.p_raw == intact.p_raw
            assert contrast.p_adjusted is not None and intact.p_adjusted is not None
            assert contrast.p_adjusted >= intact.p_adjusted - 1e-15


@given(st.floats(0.01, 100), st.floats(-10, 10))
@settings(max_examples=8)
def test_affine_rescaling_of_a_metric_leaves_p_and_effect(scale: float, shift: float) -> None:
    rescaled = {
        label: [v if isinstance(v, str) else scale * v + shift for v in values]
        for label, values in VALUES.items()
    }
    plain, other = by_pair(compare(frame())), by_pair(compare(frame(rescaled)))
    for pair, contrast in plain.items():
        # shifting a loss of .4 by 10 costs two of the twelve digits that differences keep
        assert other[pair].p_raw == pytest.approx(contrast.p_raw, rel=1e-6)
        assert other[pair].d_z == pytest.approx(contrast.d_z, rel=1e-6)


@pytest.mark.parametrize("format", FORMATS)
def test_order_of_records_leaves_every_output_byte_identical(format: str) -> None:
    ordered = frame()
    shuffled = ordered.sample(frac=1, random_state=np.random.RandomState(3)).copy()
    shuffled.attrs = ordered.attrs
    assert list(shuffled.index) != list(ordered.index)
    assert render(compare(shuffled), format) == render(compare(ordered), format)


@pytest.mark.parametrize("ci", ["t", "bca", "percentile"])
def test_the_same_records_give_the_same_numbers_twice(ci: str) -> None:
    first, second = (render(compare(frame(), ci=ci), "json") for _ in range(2))
    assert first == second


def test_the_frame_is_left_as_it_was() -> None:
    given_frame = frame()
    before, attrs = given_frame.copy(), dict(given_frame.attrs)
    compare(given_frame)
    pd.testing.assert_frame_equal(given_frame, before)
    assert given_frame.attrs == attrs


def test_global_generators_are_left_alone() -> None:
    before = np.random.get_state()[1].copy()
    compare(frame(), ci="bca")
    assert (np.random.get_state()[1] == before).all()
