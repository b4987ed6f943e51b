import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.errors import DataProblem
from tasks.data.schedules import blend, in_turn, one_after_another, one_regime, require_unseen
from tasks.data.splits import Split


def test_one_after_another_ends_in_the_last_regime():
    schedule = one_after_another(8, 3, 2)
    assert schedule.regime.tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert schedule.change_points.tolist() == [2, 4]


def test_in_turn_returns_to_the_first_regime():
    schedule = in_turn(8, 3, 2)
    assert schedule.regime.tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    assert schedule.change_points.tolist() == [2, 4, 6]


def test_one_regime_never_changes():
    schedule = one_regime(5, 3)
    assert schedule.regime.tolist() == [0] * 5
    assert len(schedule.change_points) == 0
    assert not schedule.mixed.any()


def test_a_linear_blend_goes_over_in_the_rows_centred_on_the_change():
    """Width 4 around tau = 5: (t - 3) / 4 for t = 3..6, so 0, 1/4, 1/2, 3/4, and 1 from 7 on."""
    schedule = blend(one_after_another(10, 2, 5), 4, "linear")
    expected = [0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    np.testing.assert_array_equal(schedule.weights[:, 1], expected)
    assert schedule.regime.tolist() == [0] * 5 + [1] * 5
    assert np.flatnonzero(schedule.mixed).tolist() == [4, 5, 6]


def test_a_half_blend_is_half_of_each_over_the_whole_width():
    schedule = blend(in_turn(12, 2, 4), 2, "half")
    assert np.flatnonzero(schedule.mixed).tolist() == [3, 4, 7, 8]
    np.testing.assert_array_equal(schedule.weights[[3, 4, 7, 8]], np.full((4, 2), 0.5))


@given(
    st.integers(1, 120),
    st.integers(2, 5),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["linear", "half"]),
    st.booleans(),
)
def test_weights_are_a_mixture_of_old_and_new_regime(rows, regimes, segment, width, ramp, turn):
    plain = (in_turn if turn else one_after_another)(rows, regimes, segment)
    schedule = blend(plain, min(width, segment), ramp)
    np.testing.assert_allclose(schedule.weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert (schedule.weights >= 0).all()
    assert ((schedule.weights > 0).sum(axis=1) <= 2).all()
    far = np.ones(rows, dtype=bool)
    for tau in schedule.change_points:
        far &= np.abs(np.arange(rows) - tau) > width
    np.testing.assert_array_equal(schedule.weights[far], plain.weights[far])


def _require(schedule, split, may_train_on):
    require_unseen(schedule, split, may_train_on=may_train_on, dataset="d", help="change rows")


def test_a_regime_that_reaches_into_training_is_refused_with_its_row():
    schedule = one_after_another(100, 4, 20)
    _require(schedule, Split(20, 25, 100), 1)
    with pytest.raises(DataProblem) as caught:
        _require(schedule, Split(21, 25, 100), 1)
    assert "regime 1 starts at row 20, inside the 21 training rows" in caught.value.message
    assert caught.value.help == "change rows"


def test_a_blend_that_reaches_into_training_is_refused():
    """Width 10 around row 20: regime 1 has weight from row 16 on (its weight at row 15 is 0)."""
    schedule = blend(one_after_another(100, 4, 20), 10, "linear")
    _require(schedule, Split(16, 25, 100), 1)
    with pytest.raises(DataProblem, match="regime 1 starts at row 16"):
        _require(schedule, Split(17, 25, 100), 1)


def test_a_test_without_any_new_regime_is_refused():
    with pytest.raises(DataProblem, match=r"\[50, 100\) hold no regime that training does not"):
        _require(in_turn(100, 2, 20), Split(40, 50, 100), 2)
