"""Files written for people to keep: pages, tables, figures."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from bench.errors import MembError, StorageError

FULL = (errno.ENOSPC, errno.EDQUOT)


def save(file: Path, content: bytes) -> None:
    """Write a file so that a reader never sees half of it; its folder must exist.

    What is no plain file, such as a pipe or ``/dev/null``, is written to as it is; of a link, what
    it points to is replaced.

    Raises:
        OSError: If the disk refuses; a plain file is then as it was before.
    """
    if file.exists() and not file.is_file():
        file.write_bytes(content)
        return
    target = file.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):  # gone already, or its folder is what is missing
            temporary.unlink(missing_ok=True)


def refusal(
    error: OSError, what: str, *, place: str = "", help: str = "name another file with --output"
) -> MembError:
    """What is said where the disk refuses: exit code 3 where it is full, else 2.

    Args:
        error: Why.
        what: What cannot be written, e.g. ``the report``.
        place: Where.
        help: The remedy, other than to free some space.
    """
    message = f"cannot write {what}: {error.strerror or error}"
    if error.errno in FULL:
        return StorageError(message, place=place, help=f"free some space, or {help}")
    return MembError(message, place=place, help=help)
