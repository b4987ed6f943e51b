"""The scale of a series is that of its training rows."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler

from tests.tasks.cells import cell, task_of
from tests.tasks.longterm.small_runs import settings
from tests.tasks.streams import walk, write_csv


def scaled(folder, values):
    dataset = write_csv(folder / "scaled.csv", values)
    made = task_of(cell("spectral-null", "tsl-longterm", settings(folder) | {"dataset": dataset}))
    series = made.sample
    return series.scaler(), series.scaler().transform(series.values), series.split


def test_training_rows_have_mean_zero_and_population_deviation_one(tmp_path):
    values = 7 + 100 * walk(3)
    scaler, rows, split = scaled(tmp_path, values)
    train = rows[: split.a].astype(np.float64)
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(0, ddof=0), 1, atol=1e-6)
    other = StandardScaler().fit(values[: split.a])
    np.testing.assert_allclose(rows, other.transform(values), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scaler.sd, other.scale_, rtol=1e-9)


def test_rows_after_training_leave_the_scale_as_it_is(tmp_path):
    values = walk(3)
    first, rows, split = scaled(tmp_path, values)
    values[split.a :] = 1e3 + 50 * values[split.a :]
    second, others, _ = scaled(tmp_path, values)
    assert np.array_equal(first.sd, second.sd)
    assert np.array_equal(rows[: split.a], others[: split.a])
    assert not np.array_equal(rows[split.a :], others[split.a :])
    values[split.a - 1] += 1
    third, _, _ = scaled(tmp_path, values)
    assert not np.array_equal(first.sd, third.sd)
