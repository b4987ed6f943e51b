import hashlib
import os
from dataclasses import replace

import pytest

from tasks.data import files
from tasks.data.catalog import CATALOG, Checksum
from tasks.data.errors import DataProblem
from tasks.data.files import describe_all, digest_of, require_file, verify, where

TEXT = b"date,x\n2016-01-01,1\n"


def _put(folder, name="ETTh1.csv", content=TEXT):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


@pytest.fixture
def published(monkeypatch):
    """ETTh1 as if TEXT were the published file."""
    checksum = Checksum("sha256", hashlib.sha256(TEXT).hexdigest())
    monkeypatch.setitem(CATALOG, "etth1", replace(CATALOG["etth1"], checksum=checksum))


def test_the_given_folder_comes_before_the_environment_and_that_before_the_cache(
    tmp_path, user_cache, monkeypatch
):
    given, named = tmp_path / "given", tmp_path / "named"
    monkeypatch.setenv("MEMB_DATA_DIR", str(named))
    in_cache = _put(user_cache)
    assert where("etth1", given).path == in_cache
    in_named = _put(named)
    assert where("etth1", given).path == in_named
    in_given = _put(given)
    assert where("etth1", given).path == in_given
    assert where("etth1").path == in_named
    assert where("etth1", given).searched == (in_given, in_named, in_cache)


def test_a_file_is_expected_in_the_first_folder_that_is_searched(tmp_path, user_cache, monkeypatch):
    assert where("etth1").expected == user_cache / "ETTh1.csv"
    monkeypatch.setenv("MEMB_DATA_DIR", str(tmp_path / "named"))
    assert where("etth1").expected == tmp_path / "named" / "ETTh1.csv"
    assert where("etth1", tmp_path / "given").expected == tmp_path / "given" / "ETTh1.csv"


def test_an_empty_environment_variable_counts_as_none(user_cache, monkeypatch):
    monkeypatch.setenv("MEMB_DATA_DIR", "")
    assert where("etth1").searched == (user_cache / "ETTh1.csv",)


def test_a_users_csv_is_looked_for_here_and_then_in_the_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    in_folder = _put(tmp_path / "data", "mine.csv")
    assert where("mine.csv", tmp_path / "data").path == in_folder
    here = _put(tmp_path, "mine.csv")
    assert where("mine.csv", tmp_path / "data").path == here
    assert where(str(in_folder)).path == in_folder


def test_a_built_in_series_needs_no_file():
    location = where("sm-co2")
    assert (location.path, location.expected, location.searched) == (None, None, ())
    assert location.available


def test_describe_all_says_what_is_available(user_cache):
    _put(user_cache)
    available = {location.dataset.name: location.available for location in describe_all()}
    assert set(available) == set(CATALOG)
    assert available["etth1"]
    assert available["synth-drift"]
    assert not available["etth2"]
    assert not available["weather"]


def test_a_missing_download_says_where_it_was_looked_for_and_how_to_mend_it(tmp_path, user_cache):
    with pytest.raises(DataProblem) as caught:
        require_file(CATALOG["etth1"], tmp_path / "given")
    problem = caught.value
    assert problem.message == "dataset 'etth1' needs the file ETTh1.csv, which is not here"
    expected = tmp_path / "given" / "ETTh1.csv"
    assert problem.place == f"looked for {expected}, {user_cache / 'ETTh1.csv'}"
    assert f"'memb data get etth1' downloads it to {expected}" in problem.help
    assert "CC BY-ND 4.0" in problem.help
    assert "--set tasks.online-tsf.dataset=sm-co2" in problem.help


def test_a_missing_supplied_file_names_its_page_and_its_path(user_cache):
    with pytest.raises(DataProblem) as caught:
        require_file(CATALOG["weather"])
    assert "memb data get" not in caught.value.help
    assert "https://github.com/thuml/Autoformer" in caught.value.help
    assert "https://www.bgc-jena.mpg.de/wetter/" in caught.value.help
    assert str(user_cache / "weather.csv") in caught.value.help


def test_a_missing_csv_of_the_users_is_named(tmp_path, user_cache, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataProblem, match=r"no file 'mine\.csv'") as caught:
        require_file(files.find("mine.csv"))
    assert caught.value.place == f"looked for {tmp_path / 'mine.csv'}, {user_cache / 'mine.csv'}"


@pytest.mark.parametrize(
    ("name", "file", "start"),
    [
        ("etth1", "ETTh1.csv", "'memb data get etth1' downloads it to "),
        ("weather", "weather.csv", "save the benchmark csv distributed with Autoformer"),
        ("mine.csv", "mine.csv", "put your csv at "),
    ],
)
def test_how_a_file_comes_to_its_place_is_said_for_each_kind(tmp_path, name, file, start):
    location = where(name, tmp_path / "given")
    remedy = files.how_to_get(location.dataset, location)
    assert remedy.startswith(start)
    assert str(location.expected) in remedy
    assert location.expected.name == file


def test_a_folder_is_not_a_csv(tmp_path):
    with pytest.raises(DataProblem, match="is a folder, not a csv"):
        require_file(files.find(f"{tmp_path}/"))


def test_digests_are_the_known_ones_of_known_bytes(tmp_path):
    """sha256 of 'abc' is in FIPS 180-4; git names the six bytes 'hello\\n' ce013625...."""
    abc, hello = tmp_path / "abc", tmp_path / "hello"
    abc.write_bytes(b"abc")
    hello.write_bytes(b"hello\n")
    assert digest_of(abc) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_of(hello, "git-blob") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_digest_is_remembered_until_time_or_size_change(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1))
    first = digest_of(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_hasher", lambda *_: pytest.fail("the file was read again"))
        assert digest_of(path) == first
    path.write_bytes(b"abd")
    os.utime(path, ns=(2, 2))
    assert digest_of(path) == hashlib.sha256(b"abd").hexdigest()


def test_the_published_file_is_verified(published, user_cache):
    path = _put(user_cache)
    result = verify("etth1")
    assert (result.status, result.path, result.algorithm) == ("verified", path, "sha256")
    assert result.found == result.expected


def test_another_file_is_a_mismatch_with_both_digests(published, user_cache):
    _put(user_cache, content=TEXT + b"2016-01-02,2\n")
    result = verify("etth1")
    assert result.status == "mismatch"
    assert result.found != result.expected
    assert result.found in result.finding
    assert result.expected in result.finding
    assert "line ends" not in result.finding


def test_windows_line_ends_are_recognised_as_the_only_difference(published, user_cache):
    _put(user_cache, content=TEXT.replace(b"\n", b"\r\n"))
    assert "only its line ends differ" in verify("etth1").finding


def test_a_file_may_be_identified_by_its_git_blob(monkeypatch, user_cache):
    checksum = Checksum("git-blob", "ce013625030ba8dba906f756967f9e9ca394464a")
    monkeypatch.setitem(CATALOG, "ettm1", replace(CATALOG["ettm1"], checksum=checksum))
    _put(user_cache, "ETTm1.csv", b"hello\n")
    assert verify("ettm1").status == "verified"


def test_the_other_statuses(user_cache):
    assert verify("sm-co2").status == "built-in"
    assert verify("etth2").status == "missing"
    _put(user_cache, "weather.csv")
    result = verify("weather")
    assert result.status == "no checksum"
    assert result.found == hashlib.sha256(TEXT).hexdigest()


def test_the_real_etth1_is_the_published_file(ett_dir):
    assert verify("etth1", ett_dir).status == "verified"
    # the same bytes under git's name for them
    assert (
        digest_of(ett_dir / "ETTh1.csv", "git-blob") == "a52c4925778c07c1ef1a2cf6fd01594919717d9e"
    )
