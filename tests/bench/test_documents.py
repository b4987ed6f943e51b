"""Files for people on disk."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from bench import documents
from bench.errors import MembError, StorageError


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"old")
    documents.save(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real.md", tmp_path / "link.md"
    real.write_bytes(b"old")
    link.symlink_to(real)
    documents.save(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    documents.save(pipe, b"page")
    reader.join(timeout=10)
    assert got == [b"page"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(IsADirectoryError):
        documents.save(tmp_path / "page.html", b"page")
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"old")

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        documents.save(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_storage_error(number: int) -> None:
    found = documents.refusal(OSError(number, "full"), "the report", place="page.html")
    assert isinstance(found, StorageError) and found.exit_code == 3
    assert "cannot write the report: full" in str(found)
    assert "free some space, or name another file" in str(found)


def test_any_other_refusal_is_the_users_to_change() -> None:
    found = documents.refusal(PermissionError(errno.EACCES, "Permission denied"), "the report")
    assert type(found) is MembError and found.exit_code == 2
    assert "free some space" not in str(found)
