import hashlib
from dataclasses import replace

import numpy as np
import pytest

from tasks.data.catalog import CATALOG, Checksum
from tasks.data.errors import DataProblem
from tasks.data.series import digest, load

ROWS = 700
TEXT = "date,x,y\n" + "".join(
    f"{np.datetime64('2016-01-01T00') + t},{t},{-t}\n" for t in range(ROWS)
)


@pytest.fixture
def mine(write):
    return write(TEXT, "mine.csv")


def test_a_csv_is_loaded_by_its_path_with_the_season_of_its_dates(mine):
    series = load(str(mine))
    assert series.values.shape == (ROWS, 2)
    assert series.columns == ("x", "y")
    assert (series.split.a, series.split.b, series.split.e) == (140, 175, 700)
    assert series.period == 24
    assert (series.lookback, series.horizon) == (96, 24)
    assert series.verified
    assert series.digest == hashlib.sha256(TEXT.encode()).hexdigest()
    series.require_origins(96, 24)


def test_a_period_given_beats_the_inferred_one(mine):
    assert load(str(mine), period=168).period == 168


def test_the_values_cannot_be_changed_by_accident(mine):
    with pytest.raises(ValueError, match="read-only"):
        load(str(mine)).values[0, 0] = 1.0


def test_the_scaler_is_that_of_the_training_rows(mine):
    """x = 0..139: mean 69.5, population variance (140^2 - 1) / 12."""
    scaler = load(str(mine)).scaler()
    np.testing.assert_allclose(scaler.mean, [69.5, -69.5], rtol=1e-14)
    np.testing.assert_allclose(scaler.sd, np.sqrt((140**2 - 1) / 12), rtol=1e-14)


def test_too_few_rows_for_a_window_are_refused_under_the_files_name(mine):
    with pytest.raises(DataProblem, match="training has 140 rows") as caught:
        load(str(mine)).require_origins(140, 1)
    assert caught.value.place == str(mine)


def test_the_offline_protocol_cuts_seven_tenths(mine):
    split = load(str(mine), protocol="offline").split
    assert (split.a, split.b, split.e) == (490, 560, 700)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(DataProblem, match="protocol must be 'online' or 'offline', got 'on'"):
        load("sm-nile", protocol="on")


@pytest.mark.parametrize(
    ("dataset", "options", "takes"),
    [
        ("sm-co2", {"log_diff": True}, "it takes none"),
        ("sm-macro", {"fill": "causal"}, "it takes log_diff"),
        ("synth-drift", {"row": 9}, "did you mean 'rows'?"),
        ("ar-switch", {"channels": 3}, "it takes schedule, rows, segment, blend"),
        ("mine.csv", {"rows": 3}, "it takes fill, clean_sentinels, allow_unverified, period"),
    ],
)
@pytest.mark.parametrize("function", [load, digest])
def test_each_dataset_takes_its_own_options_alone(function, dataset, options, takes):
    with pytest.raises(DataProblem, match="takes no option") as caught:
        function(dataset, **options)
    assert takes in caught.value.help


def test_an_unknown_dataset_is_refused():
    with pytest.raises(DataProblem, match="unknown dataset 'sm-co'"):
        load("sm-co")


@pytest.mark.parametrize(
    ("dataset", "options"),
    [
        ("sm-co2", {}),
        ("sm-macro", {}),
        ("sm-macro", {"log_diff": True}),
        ("synth-drift", {"rows": 2_000, "channels": 2}),
        ("ar-switch", {"schedule": "gradual"}),
    ],
)
def test_the_digest_is_known_without_loading(dataset, options):
    rng = np.random.default_rng(0)
    assert load(dataset, seed_rng=rng, **options).digest == digest(dataset, **options)


def test_the_digest_of_a_file_is_that_of_its_bytes(mine):
    assert digest(str(mine)) == load(str(mine)).digest
    mine.write_bytes(mine.read_bytes() + b"2016-02-01,1,1\n")
    assert digest(str(mine)) == hashlib.sha256(mine.read_bytes()).hexdigest()


def test_digests_differ_where_data_do():
    digests = [
        digest("sm-macro"),
        digest("sm-macro", log_diff=True),
        digest("sm-nile"),
        digest("synth-drift"),
        digest("synth-drift", channels=3),
        digest("synth-drift", schedule="abrupt"),
        digest("ar-switch"),
        digest("ar-switch", rows=6_000),
    ]
    assert len(set(digests)) == len(digests)


def test_a_default_spelled_out_has_the_digest_of_the_default():
    spelled = digest("synth-drift", rows=14_400, segment=1_440, blend=288)
    assert spelled == digest("synth-drift")
    assert digest("ar-switch", blend=200) == digest("ar-switch")


def test_a_generated_series_follows_its_generator_and_carries_its_truth():
    first = load("synth-drift", seed_rng=np.random.default_rng(1), rows=2_000, channels=3)
    again = load("synth-drift", seed_rng=np.random.default_rng(1), rows=2_000, channels=3)
    other = load("synth-drift", seed_rng=np.random.default_rng(2), rows=2_000, channels=3)
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)
    assert first.digest == other.digest
    assert first.columns == ("x0", "x1", "x2")
    assert first.drift.schedule.regime.shape == (2_000,)
    assert first.period == 24


def test_a_generated_series_needs_a_generator():
    with pytest.raises(ValueError, match="pass seed_rng"):
        load("synth-drift")


def test_a_gradual_change_that_sets_in_during_validation_is_noted():
    series = load("synth-drift", seed_rng=np.random.default_rng(0), schedule="gradual")
    assert series.notes == ("the first change sets in at row 1801, inside the validation rows",)


def test_a_trivial_stream_is_refused_before_it_is_generated():
    with pytest.raises(DataProblem, match="hold no regime"):
        load("synth-drift", seed_rng=np.random.default_rng(0), regimes=2)


def _etth1(monkeypatch, content, folder, *, rows=ROWS):
    """The catalogue's etth1 with other published bytes and size; `content` in `folder`."""
    folder.mkdir(parents=True)
    (folder / "ETTh1.csv").write_bytes(content)
    checksum = Checksum("sha256", hashlib.sha256(TEXT.encode()).hexdigest())
    entry = replace(CATALOG["etth1"], checksum=checksum, rows=rows, channels=2, split="long")
    monkeypatch.setitem(CATALOG, "etth1", entry)


def test_a_verified_file_is_used_without_remarks(monkeypatch, user_cache):
    _etth1(monkeypatch, TEXT.encode(), user_cache)
    series = load("etth1")
    assert series.verified
    assert series.notes == ()
    assert series.name == "etth1"


def test_a_period_given_beats_the_catalogues(monkeypatch, user_cache):
    _etth1(monkeypatch, TEXT.encode(), user_cache)
    assert load("etth1").period == 24
    assert load("etth1", period=168).period == 168


def test_a_file_that_is_not_the_published_one_is_refused_unless_accepted(monkeypatch, user_cache):
    edited = TEXT.replace(",5,-5", ",6,-5").encode()
    _etth1(monkeypatch, edited, user_cache)
    with pytest.raises(DataProblem) as caught:
        load("etth1")
    for content in (edited, TEXT.encode()):
        assert hashlib.sha256(content).hexdigest() in caught.value.message
    assert "allow_unverified=true" in caught.value.help
    assert "memb data get etth1" in caught.value.help

    series = load("etth1", allow_unverified=True)
    assert not series.verified
    assert series.notes[0].startswith("unverified data")
    assert series.values[5, 0] == 6
    assert series.digest == hashlib.sha256(edited).hexdigest()


def test_a_file_without_checksum_must_at_least_have_the_size_of_the_original(user_cache):
    user_cache.mkdir(parents=True)
    (user_cache / "weather.csv").write_text(TEXT)
    with pytest.raises(DataProblem) as caught:
        load("weather")
    assert caught.value.message == (
        "'weather' is 52696 rows x 21 channels, this file 700 rows x 2 channels"
    )
    series = load("weather", allow_unverified=True)
    assert not series.verified
    assert series.period == 144


def test_a_missing_file_is_reported(user_cache):
    for function in (load, digest):
        with pytest.raises(DataProblem, match=r"needs the file ETTh2\.csv"):
            function("etth2")
