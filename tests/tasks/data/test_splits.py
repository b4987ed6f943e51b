import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.data.errors import DataProblem
from tasks.data.splits import Split, fewest_rows, require_origins, split_rows

BORDERS = [
    # dataset, rows, rule, protocol, (a, b, e): FSNet / OnlineTSF and long-horizon conventions
    ("etth1", 17_420, "ett-hourly", "online", (2_880, 3_600, 14_400)),
    ("ettm1", 69_680, "ett-15-min", "online", (11_520, 14_400, 57_600)),
    ("weather", 52_696, "long", "online", (10_539, 13_174, 52_696)),
    ("ecl", 26_304, "long", "online", (5_260, 6_576, 26_304)),
    ("traffic", 17_544, "long", "online", (3_508, 4_386, 17_544)),
    ("exchange", 7_588, "long", "online", (1_517, 1_897, 7_588)),
    ("ili", 966, "long", "online", (193, 242, 966)),
    ("sm-co2", 2_284, "short", "online", (913, 1_142, 2_284)),
    ("sm-nile", 100, "short", "online", (40, 50, 100)),
    ("synth-drift", 14_400, "synthetic", "online", (2_880, 3_600, 14_400)),
    ("etth1", 17_420, "ett-hourly", "offline", (8_640, 11_520, 14_400)),
    ("ettm1", 69_680, "ett-15-min", "offline", (34_560, 46_080, 57_600)),
    ("weather", 52_696, "long", "offline", (36_887, 42_157, 52_696)),
]


@pytest.mark.parametrize(("name", "rows", "rule", "protocol", "borders"), BORDERS)
def test_borders_are_those_of_the_published_protocols(name, rows, rule, protocol, borders):
    split = split_rows(rows, rule, protocol)
    assert (split.a, split.b, split.e) == borders


@pytest.mark.parametrize(
    ("horizon", "count"), [(1, 10_800), (24, 10_777), (48, 10_753), (96, 10_705)]
)
def test_etth_has_the_published_number_of_online_test_origins(horizon, count):
    """e - b - H + 1 with e = 14,400 and b = 3,600."""
    assert len(split_rows(17_420, "ett-hourly", "online").test_origins(horizon)) == count


def test_etth_validation_and_test_passes_start_and_end_where_the_public_loader_does():
    split = split_rows(17_420, "ett-hourly", "online")
    updates, test = split.update_origins(), split.test_origins(24)
    assert (updates[0], updates[-1], len(updates)) == (2_879, 3_598, 720)
    assert (test[0], test[-1]) == (3_599, 14_375)
    assert test[-1] + 24 == 14_399  # last scored row


def test_etth_offline_test_has_2785_origins_at_horizon_96():
    """n_test - H + 1 = 2,880 - 96 + 1."""
    assert len(split_rows(17_420, "ett-hourly", "offline").test_origins(96)) == 2_785


def test_training_origins_number_a_minus_l_minus_h_plus_1():
    split = split_rows(17_420, "ett-hourly", "online")
    assert len(split.train_origins(336, 24)) == 2_880 - 336 - 24 + 1
    assert split.train_origins(336, 24)[0] == 335
    assert split.train_origins(336, 24)[-1] == 2_855


splits = st.tuples(st.integers(1, 400), st.integers(1, 200), st.integers(1, 400)).map(
    lambda n: Split(n[0], n[0] + n[1], n[0] + n[1] + n[2])
)


@given(splits, st.integers(1, 60), st.integers(1, 40))
def test_targets_of_each_part_lie_inside_it_and_fill_it(split, lookback, horizon):
    assume(split.fits(lookback, horizon))
    train = split.train_origins(lookback, horizon)
    parts = [
        (train, lookback, split.a),
        (split.selection_origins(horizon), split.a, split.b),
        (split.test_origins(horizon), split.b, split.e),
    ]
    for origins, first, end in parts:
        assert origins[0] + 1 == first
        assert origins[-1] + horizon == end - 1
    assert train[0] - lookback + 1 == 0


@given(splits, st.integers(1, 60), st.integers(1, 40))
def test_the_newest_known_pair_exists_at_every_online_origin(split, lookback, horizon):
    """Its window starts at row t - H - L + 1 and its target ends at row t."""
    assume(split.fits(lookback, horizon))
    assert split.update_origins()[0] - horizon - lookback + 1 >= 0
    assert split.update_origins()[-1] + 1 == split.test_origins(horizon)[0]


def test_a_series_shorter_than_fixed_borders_is_refused_with_both_numbers():
    with pytest.raises(DataProblem, match="14399 rows, but the online split ends at row 14400"):
        split_rows(14_399, "ett-hourly", "online", "etth1")


def _require(rows, rule, lookback, horizon):
    split = split_rows(rows, rule, "online")
    require_origins(split, lookback, horizon, rule=rule, protocol="online", place="mine.csv")


def test_too_few_training_rows_are_refused_with_what_is_short_and_what_would_do():
    """600 rows: a = 120 = 96 + 24, b = 150; 595 rows: a = 119."""
    _require(600, "long", 96, 24)
    with pytest.raises(DataProblem) as caught:
        _require(595, "long", 96, 24)
    assert "training has 119 rows, lookback + horizon is 120" in caught.value.message
    assert "lookback + horizon <= 119" in caught.value.help
    assert "at least 600 rows" in caught.value.help
    assert caught.value.place == "mine.csv"


def test_every_short_part_is_named():
    with pytest.raises(DataProblem) as caught:
        _require(10, "long", 5, 9)
    for part in ("training has 2 rows", "validation has 1 rows", "test has 7 rows"):
        assert part in caught.value.message


def test_where_borders_are_fixed_no_number_of_rows_is_offered():
    with pytest.raises(DataProblem) as caught:
        _require(17_420, "ett-hourly", 2_880, 1)
    assert caught.value.help == "choose lookback + horizon <= 2880 and horizon <= 720"


def test_a_lookback_of_zero_is_refused():
    with pytest.raises(DataProblem, match="must be >= 1, got 0 and 5"):
        _require(600, "long", 0, 5)


@given(st.integers(1, 200), st.integers(1, 60), st.sampled_from(["long", "short", "synthetic"]))
def test_the_fewest_rows_fit_and_one_row_less_does_not(lookback, horizon, rule):
    rows = fewest_rows(lookback, horizon, rule, "online")
    assert rows is not None
    assert split_rows(rows, rule, "online").fits(lookback, horizon)
    assert not split_rows(rows - 1, rule, "online").fits(lookback, horizon)
