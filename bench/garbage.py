"""Garbage collection held back where nothing is garbage, or where it would be timed."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def nothing_collected() -> Iterator[None]:
    """No automatic collection, as while many small objects are made that all stay.

    The collector would look through all of them each time their number has grown by a quarter:
    for a hundred thousand records that takes longer than to read them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
