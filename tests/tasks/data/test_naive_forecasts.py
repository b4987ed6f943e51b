"""Errors of the two naive forecasts, from the data alone: they pin down splits and scaling."""

import numpy as np
import pytest

from tasks.data.series import load

LEADS = {
    "persistence": lambda h, period: 0,
    "seasonal": lambda h, period: h - period * -(-h // period),
}
"""Row, counted from the origin, that is repeated at lead h."""


def _naive_mse(series, horizon, method):
    """MSE over all test origins, leads and channels, on standardised float32 data."""
    scaled = series.scaler().transform(series.values).astype(np.float64)
    origins = np.array(series.split.test_origins(horizon))
    total = 0.0
    for h in range(1, horizon + 1):
        shift = LEADS[method](h, series.period)
        total += np.mean((scaled[origins + h] - scaled[origins + shift]) ** 2)
    return total / horizon


def _ett(name, ett_dir, protocol="online"):
    if not (ett_dir / CSV[name]).exists():
        pytest.skip(f"{CSV[name]} is not here")
    return load(name, data_dir=ett_dir, protocol=protocol)


CSV = {"etth1": "ETTh1.csv", "etth2": "ETTh2.csv"}


@pytest.mark.parametrize(
    ("name", "protocol", "column", "mean", "sd"),
    [
        ("etth1", "online", "OT", 26.6787, 7.7834),
        ("etth1", "online", "HUFL", 10.6594, 3.7036),
        ("etth1", "offline", "OT", 17.1283, 9.1765),
        ("etth2", "online", "OT", 36.5979, 8.5256),
        ("etth2", "offline", "OT", 26.8720, 11.5847),
    ],
)
def test_training_means_and_deviations_of_ett(ett_dir, name, protocol, column, mean, sd):
    """Known to four decimals."""
    series = _ett(name, ett_dir, protocol)
    c = series.columns.index(column)
    scaler = series.scaler()
    assert scaler.mean[c] == pytest.approx(mean, abs=5e-5)
    assert scaler.sd[c] == pytest.approx(sd, abs=5e-5)


def test_etth1_has_its_published_shape_columns_and_span(ett_dir):
    series = load("etth1", data_dir=ett_dir)
    assert series.values.shape == (17_420, 7)
    assert series.columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert series.times[0] == np.datetime64("2016-07-01T00:00:00")
    assert series.times[-1] == np.datetime64("2018-06-26T19:00:00")
    assert series.verified
    assert series.notes == ()


@pytest.mark.parametrize(
    ("name", "protocol", "method", "horizon", "mse"),
    [
        ("etth1", "online", "persistence", 1, 0.3632),
        ("etth1", "online", "persistence", 24, 2.7960),
        ("etth1", "online", "persistence", 48, 2.9315),
        ("etth1", "online", "persistence", 96, 3.0776),
        ("etth1", "online", "seasonal", 24, 0.9261),
        ("etth1", "online", "seasonal", 48, 1.0690),
        ("etth1", "online", "seasonal", 96, 1.2307),
        ("etth1", "offline", "persistence", 96, 1.2944),
        ("etth1", "offline", "seasonal", 96, 0.5122),
        ("etth2", "online", "persistence", 1, 0.4043),
        ("etth2", "online", "persistence", 24, 1.8178),
        ("etth2", "online", "persistence", 48, 2.8522),
        ("etth2", "online", "persistence", 96, 4.7849),
        ("etth2", "online", "seasonal", 24, 2.5611),
        ("etth2", "online", "seasonal", 48, 3.5568),
        ("etth2", "online", "seasonal", 96, 5.4304),
        ("etth2", "offline", "persistence", 96, 0.4317),
        ("etth2", "offline", "seasonal", 96, 0.3905),
    ],
)
def test_naive_errors_on_ett(ett_dir, name, protocol, method, horizon, mse):
    """All channels, standardised; known to four decimals, hence the tolerance of 5e-4."""
    assert _naive_mse(_ett(name, ett_dir, protocol), horizon, method) == pytest.approx(
        mse, abs=5e-4
    )


@pytest.fixture
def daily_cycle(write):
    """Two hourly sines of amplitude 2 and 3, 1,200 rows: 50 whole days, 10 of them training."""
    t = np.arange(1_200)
    x = 2 * np.sin(2 * np.pi * t / 24)
    y = 7 + 3 * np.cos(2 * np.pi * t / 24)
    hours = np.datetime64("2016-01-01T00") + t
    rows = "".join(f"{d},{float(p)!r},{float(q)!r}\n" for d, p, q in zip(hours, x, y, strict=True))
    return load(str(write("date,x,y\n" + rows)))


def test_a_daily_cycle_is_repeated_without_error(daily_cycle):
    """Zero but for the rounding of sin and of float32 (2^-24), squared."""
    assert daily_cycle.period == 24
    assert _naive_mse(daily_cycle, 48, "seasonal") < 1e-13


@pytest.mark.parametrize("lead", [1, 6, 12, 24])
def test_persistence_on_a_daily_cycle_has_its_closed_form_error(daily_cycle, lead):
    """A^2 (1 - cos(2 pi h / 24)) over whole days: 0 at h = 24, 2 A^2 at h = 12.

    Training rows are 10 whole days, so a standardised sine has A^2 = 2 whatever its amplitude.
    """
    series = daily_cycle
    scaled = series.scaler().transform(series.values).astype(np.float64)
    origins = np.array(series.split.test_origins(24))[: 24 * 30]
    error = np.mean((scaled[origins + lead] - scaled[origins]) ** 2)
    expected = 2 * (1 - np.cos(2 * np.pi * lead / 24))
    assert error == pytest.approx(expected, abs=1e-6)
