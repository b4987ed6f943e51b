"""Where a dataset's file is expected, whether it is there, and whether it is the published one.

Folders are searched in this order: the one given, then that of the environment variable
MEMB_DATA_DIR, then the user's cache. Nothing here touches the network.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from tasks.data.catalog import CATALOG, Checksum, Dataset, find, is_path
from tasks.data.errors import DataProblem

Status = Literal["verified", "mismatch", "no checksum", "missing", "built-in"]

WITHOUT_A_FILE = "--set tasks.online-tsf.dataset=sm-co2"
"""What makes any forecasting suite run on a series that needs no file."""


@dataclass(frozen=True)
class Location:
    """Where a dataset is, or is expected.

    Attributes:
        dataset: Its catalogue entry.
        path: The file found, or None.
        expected: Where a file will be put, or should be; None for a built-in series.
        searched: All places that were looked at, in order.
    """

    dataset: Dataset
    path: Path | None
    expected: Path | None
    searched: tuple[Path, ...]

    @property
    def available(self) -> bool:
        """Whether the dataset can be loaded as things stand."""
        return self.path is not None or self.dataset.kind != "csv"


@dataclass(frozen=True)
class Verification:
    """What a comparison with the published checksum gave.

    Attributes:
        dataset: Name of the dataset.
        status: ``verified``, ``mismatch``, ``no checksum`` (none is published), ``missing`` (no
            file found) or ``built-in`` (there is no file).
        path: The file, or None.
        algorithm: Of both digests; empty where nothing was computed.
        expected: The published digest, or empty.
        found: The file's digest, or empty.
        finding: One line for people.
    """

    dataset: str
    status: Status
    path: Path | None = None
    algorithm: str = ""
    expected: str = ""
    found: str = ""
    finding: str = ""


def folders(data_dir: Path | None = None) -> tuple[Path, ...]:
    """The folders that are searched for files, first one first."""
    given = [data_dir] if data_dir is not None else []
    named = os.environ.get("MEMB_DATA_DIR")
    if named:
        given.append(Path(named))
    return tuple(folder.expanduser() for folder in (*given, user_cache_path("memb") / "data"))


def locate(entry: Dataset, data_dir: Path | None = None) -> Location:
    """Where the entry's file is; a user's relative path counts from here, then from the folders."""
    if entry.kind != "csv":
        return Location(entry, None, None, ())
    places = [folder / entry.file for folder in folders(data_dir)]
    if is_path(entry.name):
        places.insert(0, Path(entry.file).expanduser())
    searched = tuple(dict.fromkeys(place.absolute() for place in places))
    found = next((place for place in searched if place.is_file()), None)
    return Location(entry, found, searched[0], searched)


def where(name: str, data_dir: Path | None = None) -> Location:
    """Where a dataset is or is expected, by its name or path.

    Raises:
        DataProblem: If there is no such name.
    """
    return locate(find(name), data_dir)


def describe_all(data_dir: Path | None = None) -> tuple[Location, ...]:
    """Every dataset of the catalogue with the place of its file."""
    return tuple(locate(entry, data_dir) for entry in CATALOG.values())


def require_file(entry: Dataset, data_dir: Path | None = None) -> Path:
    """The path of the entry's csv.

    Raises:
        DataProblem: If it is nowhere; says where it was looked for and what mends it.
    """
    location = locate(entry, data_dir)
    if location.path is not None:
        return location.path
    searched = ", ".join(str(place) for place in location.searched)
    folder = next((place for place in location.searched if place.is_dir()), None)
    if folder is not None:
        raise DataProblem(f"'{folder}' is a folder, not a csv", help="name the file inside it")
    if is_path(entry.name):
        raise DataProblem(f"no file '{entry.file}'", f"looked for {searched}", "check the path")
    raise DataProblem(
        f"dataset '{entry.name}' needs the file {entry.file}, which is not here",
        f"looked for {searched}",
        f"{how_to_get(entry, location)}; to try the suite without it, add {WITHOUT_A_FILE}",
    )


def how_to_get(entry: Dataset, location: Location) -> str:
    """The command, or the page and the path, that bring a file where it is expected."""
    if entry.url is not None:
        return (
            f"'memb data get {entry.name}' downloads it to {location.expected} "
            f"({entry.licence}, from {entry.origin})"
        )
    if not entry.obtain:
        return f"put your csv at {location.expected}, or give the path it has"
    return f"save {entry.obtain} (data from {entry.origin}) as {location.expected}"


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's bytes; remembered while its time and size stay the same.

    Args:
        path: The file.
        algorithm: ``sha256`` or ``git-blob``.
    """
    stat = path.stat()
    return _digest(path.absolute(), stat.st_mtime_ns, stat.st_size, algorithm)


@lru_cache(maxsize=256)
def _digest(path: Path, _mtime_ns: int, size: int, algorithm: str) -> str:
    hasher = _hasher(algorithm, size)
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hasher.update(block)
    return hasher.hexdigest()


def _hasher(algorithm: str, size: int) -> hashlib._Hash:
    if algorithm == "sha256":
        return hashlib.sha256()
    # sha1 is git's name for the bytes, not a defence against a forger
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def compare(path: Path, checksum: Checksum, dataset: str) -> Verification:
    """Whether a file is the published one, by its checksum."""
    found = digest_of(path, checksum.algorithm)
    if found == checksum.digest:
        finding = f"{path} is the published file ({checksum.algorithm} {found})"
        status: Status = "verified"
    else:
        status = "mismatch"
        finding = (
            f"{path} is not the published file: {checksum.algorithm} {found}, "
            f"expected {checksum.digest}{_line_ends(path, checksum)}"
        )
    return Verification(dataset, status, path, checksum.algorithm, checksum.digest, found, finding)


def _line_ends(path: Path, checksum: Checksum) -> str:
    """A remark if the file differs from the published one in its line ends alone."""
    content = path.read_bytes().replace(b"\r\n", b"\n")
    hasher = _hasher(checksum.algorithm, len(content))
    hasher.update(content)
    only_ends = hasher.hexdigest() == checksum.digest
    return "; only its line ends differ (CRLF instead of LF)" if only_ends else ""


def verify(name: str, data_dir: Path | None = None) -> Verification:
    """What a dataset's file is compared with the published one; a missing file is a status.

    Raises:
        DataProblem: If there is no dataset of this name.
    """
    return verify_entry(find(name), data_dir)


def verify_entry(entry: Dataset, data_dir: Path | None = None) -> Verification:
    """As `verify`, for a catalogue entry."""
    location = locate(entry, data_dir)
    if entry.kind != "csv":
        return Verification(entry.name, "built-in", finding=f"{entry.name} needs no file")
    if location.path is None:
        finding = f"no file at {location.expected}"
        return Verification(entry.name, "missing", finding=finding)
    if entry.checksum is None:
        found = digest_of(location.path)
        finding = f"{location.path}: no checksum is published; sha256 {found}"
        return Verification(
            entry.name, "no checksum", location.path, "sha256", found=found, finding=finding
        )
    return compare(location.path, entry.checksum, entry.name)
