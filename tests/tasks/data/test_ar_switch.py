import numpy as np
import pytest

from tasks.data.ar_switch import ArSwitch
from tasks.data.errors import DataProblem
from tasks.data.splits import split_rows


def _online(config):
    return split_rows(config.rows, "synthetic", "online")


def test_the_coefficient_cycles_every_thousand_rows():
    _, drift = ArSwitch().generate(np.random.default_rng(0))
    np.testing.assert_array_equal(
        drift.decay[[0, 999, 1_000, 1_999, 2_000, 2_999, 3_000]],
        [0.1, 0.1, 0.4, 0.4, 0.6, 0.6, 0.1],
    )


def test_gradual_transitions_hold_half_of_each_for_200_rows():
    _, drift = ArSwitch(schedule="gradual").generate(np.random.default_rng(0))
    np.testing.assert_allclose(
        drift.decay[[899, 900, 1_099, 1_100, 1_900, 2_900]],
        [0.1, 0.25, 0.25, 0.4, 0.5, 0.35],
        rtol=0,
        atol=1e-15,
    )
    assert drift.schedule.mixed[:8_000].sum() == 7 * 200


def test_the_stream_obeys_its_recursion():
    config = ArSwitch(rows=3_000, segment=500)
    values, _ = config.generate(np.random.default_rng(4))
    eps = np.random.default_rng(4).standard_normal((3_000, 1))
    x = 0.0
    for t in range(3_000):
        x = (0.1, 0.4, 0.6)[t // 500 % 3] * x + eps[t, 0]
        assert values[t, 0] == pytest.approx(x, abs=1e-12)


@pytest.mark.parametrize("schedule", ["abrupt", "gradual"])
def test_training_sees_two_coefficients_and_the_test_all_three(schedule):
    config = ArSwitch(schedule=schedule)
    split = _online(config)
    config.check(split)
    weights = config.plan().weights
    assert not weights[: split.a, 2].any()
    assert weights[split.b :].any(axis=0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 20_000}, "regime 2 starts at row 2000, inside the 4000 training rows"),
        ({"rows": 1_000}, "hold no regime that training does not hold"),
    ],
)
def test_a_length_that_makes_the_test_trivial_is_refused(options, message):
    config = ArSwitch(**options)
    with pytest.raises(DataProblem, match=message):
        config.check(_online(config))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 0}, "'rows' must be >= 1"),
        ({"segment": 0}, "'segment' must be >= 1"),
        ({"blend": -1}, "'blend' must be >= 0"),
        ({"schedule": "gradual", "blend": 1_001}, r"must be <= segment \(1000\), got 1001"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(DataProblem, match=message):
        ArSwitch(**options)
