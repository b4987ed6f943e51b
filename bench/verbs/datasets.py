"""Datasets for a person: what there is, where a file belongs, fetching and verifying it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import MembError
from tasks.data import download, files
from tasks.data.errors import DataProblem


@contextmanager
def _as_user_error() -> Iterator[None]:
    try:
        yield
    except DataProblem as problem:
        raise MembError(problem.message, place=problem.place, help=problem.help) from problem


def listing(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """One row per dataset: name, whether it can be used now, size, licence."""
    rows = []
    for location in files.describe_all(data_dir):
        entry = location.dataset
        rows.append(
            {
                "name": entry.name,
                "here": "yes" if location.available else "no",
                "rows": entry.rows or "-",
                "channels": entry.channels or "-",
                "step": entry.step,
                "licence": entry.licence,
                "description": entry.description,
            }
        )
    return rows


def path(name: str, data_dir: Path | None = None) -> tuple[str, str]:
    """Where the dataset's file is, or is expected, and how to get it if it is not there.

    Raises:
        MembError: If the dataset is unknown.
    """
    with _as_user_error():
        location = files.where(name, data_dir)
    if location.path is not None:
        return str(location.path), ""
    if location.expected is None:
        return f"{name} needs no file", ""
    return str(location.expected), files.how_to_get(location.dataset, location)


def fetch(name: str, data_dir: Path | None = None) -> Path:
    """The downloaded and verified file.

    Raises:
        MembError: If it cannot be downloaded, or differs from what was published.
    """
    with _as_user_error():
        return download.fetch(name, data_dir).path


def verify(name: str, data_dir: Path | None = None) -> tuple[bool, str]:
    """Whether the file is as published, and a sentence about it.

    Raises:
        MembError: If the dataset is unknown or its file missing.
    """
    with _as_user_error():
        seen = files.verify(name, data_dir)
    where = f" ({seen.path})" if seen.path else ""
    return seen.status not in (
        "mismatch",
        "missing",
    ), f"{name}: {seen.status}{where} {seen.finding}"
