"""A frame with everything a report has to show, and the page made of it."""

from __future__ import annotations

import pandas as pd
import pytest

from bench.compare import compare
from bench.compare.model import Comparison
from bench.report import render, report
from bench.report.model import Report
from tests.bench.frames import ACCURACY, MSE, FrameBuilder, Metric

STATE = Metric("state_floats", "lower", "floats", "static", (0.0, float("nan")), 0.0, False)
READ = Metric("read_us", "lower", "us/query", "perf", (0.0, float("nan")), 0.0, False)

VALUES = {
    "base": [0.50, 0.52, 0.49, 0.51, 0.50],
    "good": [0.80, 0.83, 0.79, 0.81, 0.80],
    "same": [0.51, 0.53, 0.48, 0.51, 0.50],
    "bad": [0.20, 0.21, 0.19, 0.22, 0.20],
}


def troubled_frame() -> pd.DataFrame:
    """Four memories on four tasks and one that fails on some, is skipped on others."""
    made = FrameBuilder()
    for shift, task in enumerate(("recall[n=5]", "recall[n=50]", "drift", "noise")):
        metric = MSE if task == "drift" else ACCURACY
        for label, values in VALUES.items():
            made.cell(label, [v + shift / 100 for v in values], task=task, metric=metric)
            made.cell(label, [64.0 * len(label)] * 5, task=task, metric=STATE)
            made.cell(label, [1.5 + shift], seeds=[None], task=task, metric=READ, x=256.0)
    tail = ["error", 0.4, 0.41, "error", 0.4]
    made.cell("frail", tail, task="recall[n=5]", metric=ACCURACY, message="ZeroDivisionError")
    made.cell("frail", ["skipped"] * 5, task="drift", metric=MSE, message="needs contexts")
    return made.frame(
        reference="base", remarks=["good on drift: the choice lies at the edge of its grid"]
    )


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return troubled_frame()


@pytest.fixture(scope="session")
def comparison(frame: pd.DataFrame) -> Comparison:
    return compare(frame)


@pytest.fixture(scope="session")
def made(frame: pd.DataFrame, comparison: Comparison) -> Report:
    return report(frame, comparison, with_figures=False)


@pytest.fixture(scope="session")
def page(made: Report) -> str:
    return render(made)
