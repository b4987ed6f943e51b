import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.data.causal_fill import forward_fill
from tasks.data.errors import DataProblem

NAN = np.nan


def test_gaps_repeat_the_latest_earlier_value_of_their_channel():
    values = np.array([[1.0, 5.0], [NAN, 6.0], [NAN, NAN], [4.0, NAN]])
    filled = forward_fill(values, ("x", "y"))
    np.testing.assert_array_equal(filled, [[1, 5], [1, 6], [1, 6], [4, 6]])


def test_the_argument_is_left_as_it_was():
    values = np.array([[1.0], [NAN]])
    forward_fill(values, ("x",))
    assert np.isnan(values[1, 0])


def test_a_leading_gap_is_refused_by_name_and_length():
    with pytest.raises(DataProblem, match="column 'y' starts with 2 missing values"):
        forward_fill(np.array([[1.0, NAN], [2.0, NAN], [3.0, 1.0]]), ("x", "y"))


@given(
    arrays(np.float64, (15, 2), elements=st.one_of(st.just(NAN), st.floats(-5, 5))),
    st.integers(1, 14),
)
def test_later_rows_never_change_an_earlier_fill(values, cut):
    values[0] = 0.0
    whole = forward_fill(values, ("x", "y"))
    np.testing.assert_array_equal(whole[:cut], forward_fill(values[:cut], ("x", "y")))
    assert not np.isnan(whole).any()
