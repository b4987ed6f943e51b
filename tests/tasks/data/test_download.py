"""Downloads through pooch, from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tasks.data.catalog import CATALOG, Checksum
from tasks.data.download import fetch
from tasks.data.errors import DataProblem
from tasks.data.files import where

PUBLISHED = b"date,x\n2016-01-01,1\n"


class Server(ThreadingHTTPServer):
    """Answers /ETTh1.csv with `content`, all else with 404, and counts what it is asked."""

    content = PUBLISHED
    asked = 0
    cut = False


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path != "/ETTh1.csv":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content[: 5 if self.server.cut else None])

    def log_message(self, *args: object) -> None:
        """Nothing: test output stays clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of ETTh1, whose published bytes are PUBLISHED."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        checksum = Checksum("sha256", hashlib.sha256(PUBLISHED).hexdigest())
        url = f"http://127.0.0.1:{running.server_port}/ETTh1.csv"
        entry = replace(CATALOG["etth1"], url=url, checksum=checksum)
        monkeypatch.setitem(CATALOG, "etth1", entry)
        yield running
        running.shutdown()
        thread.join()


def test_a_file_is_downloaded_verified_and_found_afterwards(server, user_cache, capfd):
    fetched = fetch("etth1")
    assert fetched.status == "downloaded"
    assert fetched.path == user_cache / "ETTh1.csv"
    assert fetched.path.read_bytes() == PUBLISHED
    assert fetched.bytes == len(PUBLISHED)
    assert fetched.verification.status == "verified"
    assert where("etth1").path == fetched.path
    assert list(user_cache.iterdir()) == [fetched.path]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_there_is_not_downloaded_again(server, tmp_path):
    first = fetch("etth1", tmp_path / "data")
    again = fetch("etth1", tmp_path / "data")
    assert again.status == "present"
    assert again.path == first.path == tmp_path / "data" / "ETTh1.csv"
    assert server.asked == 1


def test_a_git_blob_identifies_a_download_too(server, monkeypatch, user_cache):
    name = hashlib.sha1(b"blob %d\0" % len(PUBLISHED) + PUBLISHED).hexdigest()
    entry = replace(CATALOG["etth1"], checksum=Checksum("git-blob", name))
    monkeypatch.setitem(CATALOG, "etth1", entry)
    assert fetch("etth1").verification.algorithm == "git-blob"


def test_bytes_other_than_the_published_ones_are_thrown_away(server, user_cache):
    server.content = b"<html>please log in</html>"
    with pytest.raises(DataProblem, match="is not the published file") as caught:
        fetch("etth1")
    for content in (server.content, PUBLISHED):
        assert hashlib.sha256(content).hexdigest() in caught.value.message
    assert list(user_cache.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(server, user_cache):
    server.cut = True
    with pytest.raises(DataProblem, match="could not download 'etth1'") as caught:
        fetch("etth1")
    assert str(user_cache / "ETTh1.csv") in caught.value.help
    assert list(user_cache.iterdir()) == []


def test_an_address_that_is_gone_is_reported_with_the_way_by_hand(server, monkeypatch, user_cache):
    url = f"http://127.0.0.1:{server.server_port}/gone.csv"
    monkeypatch.setitem(CATALOG, "etth1", replace(CATALOG["etth1"], url=url))
    with pytest.raises(DataProblem, match="404") as caught:
        fetch("etth1")
    assert caught.value.place == url
    assert f"save {url} as {user_cache / 'ETTh1.csv'} yourself" in caught.value.help


def test_a_folder_that_cannot_be_made_is_reported(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataProblem, match="could not download"):
        fetch("etth1", tmp_path / "file" / "data")
    assert server.asked == 0


def test_a_different_file_is_never_overwritten(server, user_cache):
    user_cache.mkdir(parents=True)
    mine = user_cache / "ETTh1.csv"
    mine.write_bytes(b"my own edit")
    with pytest.raises(DataProblem, match="is not the published file") as caught:
        fetch("etth1")
    assert "move it away and run 'memb data get etth1' again" in caught.value.help
    assert mine.read_bytes() == b"my own edit"
    assert server.asked == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("weather", "cannot be downloaded"),
        ("sm-co2", "needs no file"),
        ("synth-drift", "needs no file"),
        ("mine.csv", "cannot be downloaded"),
        ("etth3", "unknown dataset"),
    ],
)
def test_what_cannot_be_downloaded_is_refused(name, says):
    with pytest.raises(DataProblem, match=says):
        fetch(name)


def test_a_supplied_file_is_refused_with_the_page_and_the_path(user_cache):
    with pytest.raises(DataProblem) as caught:
        fetch("weather")
    assert "https://github.com/thuml/Autoformer" in caught.value.help
    assert str(user_cache / "weather.csv") in caught.value.help


def test_a_supplied_file_that_is_there_is_pointed_at(user_cache):
    user_cache.mkdir(parents=True)
    (user_cache / "weather.csv").write_text("x\n1\n")
    with pytest.raises(DataProblem) as caught:
        fetch("weather")
    assert caught.value.help == f"it is at {user_cache / 'weather.csv'} already"
