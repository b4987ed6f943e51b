import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.data.scaling import Scaler


def test_mean_and_population_deviation_of_the_training_rows():
    """Rows 1, 3 and 10, 10: means 2 and 10; deviations sqrt(((1-2)^2 + (3-2)^2) / 2) = 1 and 0."""
    values = np.array([[1.0, 10.0], [3.0, 10.0], [100.0, -5.0]])
    scaler = Scaler.fit(values, 2)
    np.testing.assert_array_equal(scaler.mean, [2.0, 10.0])
    np.testing.assert_array_equal(scaler.sd, [1.0, 1.0])
    scaled = scaler.transform(values)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, np.float32([[-1, 0], [1, 0], [98, -15]]))


def test_rows_after_training_change_nothing():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 3))
    future = values.copy()
    future[20:] = 1e9
    before, after = Scaler.fit(values, 20), Scaler.fit(future, 20)
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.sd, after.sd)


def test_no_training_rows_are_refused():
    with pytest.raises(ValueError, match="no training rows"):
        Scaler.fit(np.ones((3, 1)), 0)


@given(arrays(np.float64, (12, 2), elements=st.floats(-1e3, 1e3)))
def test_inverse_undoes_transform(values):
    """Within the rounding of float32 (2^-24 relative) of the standardised values."""
    scaler = Scaler.fit(values, 8)
    back = scaler.inverse(scaler.transform(values))
    largest = np.abs((values - scaler.mean) / scaler.sd).max()
    np.testing.assert_allclose(back, values, rtol=0, atol=2e-7 * (1 + largest * scaler.sd.max()))
