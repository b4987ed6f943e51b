"""Packages that some statistics need and an installation may lack."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bench.errors import MembError


def require(module: str, purpose: str) -> ModuleType:
    """The module, imported.

    Args:
        module: Its full name, e.g. ``arch.bootstrap``.
        purpose: What needs it, as the subject of a sentence.

    Raises:
        MembError: If its package is not installed, naming the extra that brings it.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as err:
        if err.name is None or err.name.partition(".")[0] != package:
            raise
        raise MembError(
            f"{purpose} needs the package {package}, which is not installed",
            help="pip install 'memb[stats]'",
        ) from err
