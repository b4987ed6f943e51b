import re
import subprocess
import sys

import pytest

from tasks.data.catalog import CATALOG, find, is_path
from tasks.data.errors import DataProblem
from tasks.data.splits import require_origins, split_rows


def test_every_key_is_the_name_of_its_entry_in_kebab_case():
    for key, entry in CATALOG.items():
        assert key == entry.name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key)


def test_files_belong_to_csv_entries_and_seeds_to_generated_ones():
    for entry in CATALOG.values():
        assert bool(entry.file) == (entry.kind == "csv")
        assert entry.seeded == (entry.kind == "synthetic")


def test_a_url_never_comes_without_a_checksum_and_a_supplied_file_says_where_it_is_from():
    for entry in CATALOG.values():
        if entry.url is not None:
            assert entry.checksum is not None
            assert entry.url.startswith("https://")
        elif entry.kind == "csv":
            assert "Autoformer" in entry.obtain


@pytest.mark.parametrize("name", CATALOG)
def test_default_lookback_and_horizon_fit_the_online_split(name):
    entry = CATALOG[name]
    assert entry.rows is not None
    split = split_rows(entry.rows, entry.split, "online")
    require_origins(
        split, entry.lookback, entry.horizon, rule=entry.split, protocol="online", place=name
    )


@pytest.mark.parametrize(
    ("name", "algorithm", "start", "length"),
    [
        ("etth1", "sha256", "f18de3ad", 64),
        ("etth2", "sha256", "a3dc2c59", 64),
        ("ettm1", "git-blob", "62c9f979", 40),
        ("ettm2", "git-blob", "f9d46027", 40),
    ],
)
def test_ett_files_are_identified_as_published(name, algorithm, start, length):
    checksum = CATALOG[name].checksum
    assert checksum is not None
    assert checksum.algorithm == algorithm
    assert checksum.digest.startswith(start)
    assert re.fullmatch(r"[0-9a-f]+", checksum.digest)
    assert len(checksum.digest) == length


@pytest.mark.parametrize("text", ["my.csv", "My.CSV", "data/series.txt", "./series", "~/x/y"])
def test_a_csv_name_or_anything_with_a_slash_is_a_path(text):
    assert is_path(text)
    assert find(text).file == text


@pytest.mark.parametrize("text", ["sm-co2", "etth1", "csv"])
def test_a_plain_word_is_a_name(text):
    assert not is_path(text)


@pytest.mark.parametrize(
    ("typed", "meant"), [("sm-co", "sm-co2"), ("sm_co2", "sm-co2"), ("ETTh1", "etth1")]
)
def test_an_unknown_name_is_refused_with_the_nearest_one(typed, meant):
    with pytest.raises(DataProblem) as caught:
        find(typed)
    assert caught.value.message == f"unknown dataset '{typed}'"
    assert f"did you mean '{meant}'?" in caught.value.help
    assert "memb data list" in caught.value.help


def test_listing_and_finding_files_imports_neither_torch_nor_pandas_nor_numpy():
    """`memb data list` must answer at once, so what it imports is kept light."""
    code = (
        "import sys, tasks.data.files, tasks.data.download; tasks.data.files.describe_all(); "
        "print(sorted({'torch', 'pandas', 'numpy', 'pooch', 'statsmodels'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_a_series_does_not_import_torch():
    code = (
        "import sys, tasks.data.series as s; s.load('sm-nile'); "
        "print('torch' in sys.modules, 'bench' in sys.modules, 'memories' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False False"
