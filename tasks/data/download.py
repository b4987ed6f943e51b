"""Fetching a dataset's file, when a person asked for it and at no other time."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.data.catalog import Checksum, Dataset, find
from tasks.data.errors import DataProblem
from tasks.data.files import Location, Verification, compare, how_to_get, locate

TIMEOUT_S = 60
"""Longest silence of the server before a download is given up."""


@dataclass(frozen=True)
class Fetched:
    """A file that is now where it is looked for.

    Attributes:
        dataset: Name of the dataset.
        path: The verified file.
        status: ``downloaded``, or ``present`` if nothing had to be done.
        bytes: Its size.
        verification: The comparison with the published checksum.
    """

    dataset: str
    path: Path
    status: Literal["downloaded", "present"]
    bytes: int
    verification: Verification


def fetch(name: str, data_dir: Path | None = None) -> Fetched:
    """The dataset's file, downloaded and verified unless a verified one is there already.

    It is put into the first folder that is searched: `data_dir`, else MEMB_DATA_DIR, else the
    user's cache. A file that is there but differs from the published one is never overwritten.

    Raises:
        DataProblem: If there is nothing to download, the download fails, or the bytes are not
            those that were published.
    """
    entry = find(name)
    location = locate(entry, data_dir)
    if location.expected is None:
        raise DataProblem(f"dataset '{name}' needs no file: it can be used at once")
    if entry.url is None or entry.checksum is None:
        raise DataProblem(f"dataset '{name}' cannot be downloaded by memb", help=_by_hand(location))
    if location.path is not None:
        return _already_here(entry, entry.checksum, location.path)
    path = location.expected
    verification = _download(entry, entry.url, entry.checksum, path)
    return Fetched(entry.name, path, "downloaded", path.stat().st_size, verification)


def _by_hand(location: Location) -> str:
    if location.path is not None:
        return f"it is at {location.path} already"
    return how_to_get(location.dataset, location)


def _already_here(entry: Dataset, checksum: Checksum, path: Path) -> Fetched:
    verification = compare(path, checksum, entry.name)
    if verification.status == "mismatch":
        raise DataProblem(
            verification.finding,
            str(path),
            f"move it away and run 'memb data get {entry.name}' again; nothing was overwritten",
        )
    return Fetched(entry.name, path, "present", path.stat().st_size, verification)


def _download(entry: Dataset, url: str, checksum: Checksum, path: Path) -> Verification:
    """The verification of what was downloaded to `path`; on any failure nothing is left there."""
    import pooch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            part = Path(folder) / path.name
            # Not streamed: the files are some 10 MB, and a streamed answer that is an error is
            # never closed. The errors of requests are OSErrors, like those of the disk.
            get = pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT_S, stream=False)
            get(url, str(part), None)
            got = compare(part, checksum, entry.name)
            if got.status == "verified":
                part.replace(path)
    except OSError as error:
        raise DataProblem(
            f"could not download '{entry.name}': {error}",
            url,
            f"try again later, choose another folder, or save {url} as {path} yourself",
        ) from error
    if got.status == "mismatch":
        raise DataProblem(
            f"what was downloaded for '{entry.name}' is not the published file: "
            f"{got.algorithm} {got.found}, expected {got.expected}; it was thrown away",
            url,
            f"look at {entry.origin}: the file may have moved or a proxy may have answered instead",
        )
    return compare(path, checksum, entry.name)
