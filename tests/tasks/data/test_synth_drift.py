import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.errors import DataProblem
from tasks.data.splits import split_rows
from tasks.data.synth_drift import SynthDrift, _draw


def _rng(seed=0):
    return np.random.default_rng(seed)


def _online(config):
    return split_rows(config.n_rows, "synthetic", "online")


def _by_the_equations(config, rng):
    """The stream row by row, straight from the definition, from the same draws."""
    regimes = [_draw(rng, config.channels) for _ in range(config.regimes)]
    eps = rng.standard_normal((config.n_rows, config.channels))
    weights = config.plan().weights
    rows, previous, e = [], np.zeros(config.channels), np.zeros(config.channels)
    for t in range(config.n_rows):
        mix = lambda name, w=weights[t]: sum(  # noqa: E731
            w[k] * getattr(regime, name) for k, regime in enumerate(regimes)
        )
        amplitude = np.hypot(mix("cosine"), mix("sine"))
        phase = np.arctan2(mix("sine"), mix("cosine"))
        angle = 2 * np.pi * t / np.array([24.0, 168.0])
        season = (amplitude * np.sin(angle + phase)).sum(axis=1)
        e = mix("decay") * e + mix("coupling") @ previous + mix("noise_sd") * eps[t]
        rows.append(mix("level") + season + e)
        previous = season
    return np.array(rows)


@pytest.mark.parametrize("schedule", ["recurring", "abrupt", "gradual", "none"])
def test_the_stream_obeys_its_equations(schedule):
    """Sums in another order round differently: 1e-10 for values of order 1."""
    config = SynthDrift(schedule=schedule, channels=3, rows=400, segment=90)
    values, _ = config.generate(_rng(3))
    np.testing.assert_allclose(values, _by_the_equations(config, _rng(3)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("schedule", ["recurring", "abrupt", "gradual", "none"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_stream(schedule):
    config = SynthDrift(schedule=schedule, rows=600)
    first, _ = config.generate(_rng(7))
    again, _ = config.generate(_rng(7))
    other, _ = config.generate(_rng(8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()
    SynthDrift(rows=300).generate(_rng())
    np.testing.assert_array_equal(before, np.random.get_state()[1])


@settings(deadline=None, max_examples=25)
@given(st.integers(100, 300), st.integers(1, 3), st.integers(0, 5))
def test_a_longer_stream_starts_with_the_shorter_one(rows, channels, seed):
    """So no row depends on how long the stream goes on."""
    short = SynthDrift(channels=channels, rows=rows, segment=40)
    long = SynthDrift(channels=channels, rows=rows + 50, segment=40)
    values = [config.generate(_rng(seed))[0] for config in (short, long)]
    np.testing.assert_allclose(values[0], values[1][:rows], rtol=0, atol=1e-12)


def test_the_control_equals_the_drifting_stream_until_the_first_change():
    none, _ = SynthDrift(schedule="none", rows=2_000).generate(_rng(1))
    abrupt, _ = SynthDrift(schedule="abrupt", rows=2_000).generate(_rng(1))
    np.testing.assert_allclose(none[:500], abrupt[:500], rtol=0, atol=1e-12)
    assert np.abs(none[500:510] - abrupt[500:510]).max() > 0.1


def test_recurring_regimes_return_every_5760_rows_and_training_sees_two_of_four():
    config = SynthDrift()
    values, drift = config.generate(_rng())
    assert values.shape == (14_400, 7)
    assert drift.schedule.change_points.tolist() == list(range(1_440, 14_400, 1_440))
    np.testing.assert_array_equal(drift.schedule.regime[:-5_760], drift.schedule.regime[5_760:])
    split = _online(config)
    assert (split.a, split.b, split.e) == (2_880, 3_600, 14_400)
    assert set(drift.schedule.regime[: split.a]) == {0, 1}
    assert set(drift.schedule.regime[split.b :]) == {0, 1, 2, 3}


def test_abrupt_regimes_come_once_each_and_training_sees_the_first():
    config = SynthDrift(schedule="abrupt")
    schedule = config.plan()
    assert schedule.change_points.tolist() == [2_000, 4_000, 6_000]
    assert set(schedule.regime[: _online(config).a]) == {0}
    assert not schedule.mixed.any()


def test_gradual_changes_take_400_rows_and_the_first_sets_in_after_training():
    config = SynthDrift(schedule="gradual")
    schedule = config.plan()
    assert schedule.change_points.tolist() == [2_000, 4_000, 6_000]
    mixed = np.flatnonzero(schedule.mixed)
    assert (mixed[0], mixed[-1]) == (1_801, 6_199)  # weight 0 at 1,800 and 1 at 6,200
    assert schedule.weights[2_000, 1] == 0.5
    split = _online(config)
    assert split.a <= mixed[0] < split.b


@pytest.mark.parametrize("schedule", ["recurring", "abrupt", "gradual", "none"])
@pytest.mark.parametrize("rows", [None, 2_000])
def test_defaults_keep_the_test_from_being_trivial_at_any_length(schedule, rows):
    config = SynthDrift(schedule=schedule, rows=rows)
    config.check(_online(config))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "abrupt", "segment": 1_000, "rows": 8_000}, "regime 1 starts at row 1000"),
        ({"schedule": "gradual", "blend": 1_000}, "regime 1 starts at row 1501"),
        ({"regimes": 2}, "hold no regime that training does not hold"),
        ({"segment": 700}, "regime 2 starts at row 1400"),
        ({"segment": 14_400}, "hold no regime"),
    ],
)
def test_a_schedule_that_makes_the_test_trivial_is_refused(options, message):
    config = SynthDrift(**options)
    with pytest.raises(DataProblem, match=message):
        config.check(_online(config))


def test_the_offline_split_would_train_on_later_regimes_and_is_refused():
    config = SynthDrift(schedule="abrupt")
    with pytest.raises(DataProblem, match="inside the 5600 training rows"):
        config.check(split_rows(config.n_rows, "synthetic", "offline"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "'channels' must be >= 1, got 0"),
        ({"regimes": 1}, "'regimes' must be >= 2, got 1"),
        ({"schedule": "none", "regimes": 0}, "'regimes' must be >= 1, got 0"),
        ({"rows": 0}, "'rows' must be >= 1, got 0"),
        ({"segment": 0}, "'segment' must be >= 1, got 0"),
        ({"rows": 5}, "'segment' must be >= 1, got 0"),
        ({"blend": -1}, "'blend' must be >= 0, got -1"),
        ({"schedule": "gradual", "segment": 100, "blend": 101}, r"must be <= segment \(100\)"),
        ({"schedule": "abrupt", "rows": 300, "segment": 100}, "end before regime 3 starts"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(DataProblem, match=message):
        SynthDrift(**options)


def test_the_draws_of_a_regime_come_in_the_documented_order():
    """Levels, amplitudes, phases, decay, coupling, noise: the order is part of a seed's meaning."""
    regime, rng = _draw(_rng(3), 2), _rng(3)
    level = rng.standard_normal(2)
    amplitude, phase = rng.uniform(0.3, 1.2, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
    decay, gaussian = rng.uniform(0.2, 0.8), rng.standard_normal((2, 2))
    np.testing.assert_array_equal(regime.level, level)
    np.testing.assert_allclose(regime.cosine, amplitude * np.cos(phase), rtol=1e-14)
    np.testing.assert_allclose(regime.sine, amplitude * np.sin(phase), rtol=1e-14)
    assert regime.decay == decay
    coupling = 0.2 / np.sqrt(2) * np.array([[0, gaussian[0, 1]], [gaussian[1, 0], 0]])
    np.testing.assert_allclose(regime.coupling, coupling, rtol=1e-14)
    assert regime.noise_sd == rng.uniform(0.1, 0.3)


def test_regimes_are_drawn_from_the_stated_distributions():
    """Bounds of 300 draws: a mean of n uniforms on [l, u] has sd (u - l) / sqrt(12 n)."""
    rng = _rng(5)
    regimes = [_draw(rng, 4) for _ in range(300)]
    amplitude = np.array([np.hypot(r.cosine, r.sine) for r in regimes])
    assert 0.3 <= amplitude.min() <= amplitude.max() <= 1.2
    assert amplitude.mean() == pytest.approx(0.75, abs=4 * 0.9 / np.sqrt(12 * amplitude.size))
    decay = np.array([r.decay for r in regimes])
    assert 0.2 <= decay.min() <= decay.max() <= 0.8
    assert decay.mean() == pytest.approx(0.5, abs=4 * 0.6 / np.sqrt(12 * 300))
    noise = np.array([r.noise_sd for r in regimes])
    assert 0.1 <= noise.min() <= noise.max() <= 0.3
    level = np.array([r.level for r in regimes])
    assert level.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * level.size))
    coupling = np.array([r.coupling for r in regimes])
    assert not coupling[:, range(4), range(4)].any()
    off = coupling[:, ~np.eye(4, dtype=bool)]
    assert off.std() == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(2 * off.size))  # 0.2 / sqrt(4)
