import numpy as np
import pandas as pd
import pytest

from tasks.data.errors import DataProblem
from tasks.data.timestamps import infer_period, odd_steps, read_times


def _times(start, freq, n=20):
    return pd.date_range(start, periods=n, freq=freq).to_numpy().astype("datetime64[s]")


@pytest.mark.parametrize(
    ("freq", "period"),
    [
        ("10min", 144),
        ("15min", 96),
        ("30min", 48),
        ("h", 24),
        ("12h", 2),
        ("D", 7),
        ("W", 52),
        ("MS", 12),
        ("QS", 4),
        ("YS", 1),
        ("min", 1),
        ("7h", 1),
    ],
)
def test_the_season_follows_from_the_step(freq, period):
    assert infer_period(_times("2016-01-01", freq)) == period


def test_one_gap_does_not_change_the_season():
    times = _times("2016-01-01", "h")
    times[10:] += np.timedelta64(9, "D")
    assert infer_period(times) == 24


def test_a_single_date_has_no_season():
    assert infer_period(_times("2016-01-01", "h", n=1)) == 1


@pytest.mark.parametrize(
    ("cells", "second"),
    [
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00"], "2016-07-01T01:00:00"),
        (["1990/1/1 0:00", "1990/1/2 0:00"], "1990-01-02T00:00:00"),
        (["13.02.2016", "01.03.2016"], "2016-03-01T00:00:00"),
        (["2016-10-30T02:00:00+02:00", "2016-10-30T02:00:00+01:00"], "2016-10-30T01:00:00"),
    ],
)
def test_all_dates_are_read_in_the_format_of_the_first(cells, second):
    assert read_times(pd.Series(cells), "a.csv")[1] == np.datetime64(second)


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (["2016-07-01", "yesterday"], "'yesterday'"),
        (["01/02/2016", "13/02/2016"], "'13/02/2016'"),
        (["2016-07-01", None], "an empty cell"),
    ],
)
def test_a_cell_of_another_format_is_refused_by_its_line(cells, shown):
    with pytest.raises(DataProblem) as caught:
        read_times(pd.Series(cells), "a.csv")
    assert f"cannot read {shown} as a date" in caught.value.message
    assert caught.value.place == "a.csv:3"


def test_dates_that_go_back_or_repeat_are_counted_with_their_first_line():
    """Rows are on lines 2..6; row 2 (line 4) goes back, row 4 (line 6) repeats row 3."""
    days = ["2016-01-01", "2016-01-03", "2016-01-02", "2016-01-04", "2016-01-04"]
    back, again = odd_steps(np.array(days, dtype="datetime64[s]"))
    assert "goes back 1 times, first on line 4" in back
    assert "repeats 1 times, first on line 6" in again


def test_regular_dates_are_not_remarked_on():
    assert odd_steps(_times("2016-01-01", "h")) == ()
