"""What is measured, one module per family: a new family is one new module with a list ``CASES``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.perf.throughput import Throughput

CASES: list[Throughput] = [
    case
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__))
    for case in importlib.import_module(f"{__name__}.{module}").CASES
]
