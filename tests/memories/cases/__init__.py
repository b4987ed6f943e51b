"""All cases, one module per family: a new family is one new module with a list ``CASES``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.memories.case import Case

CASES: list[Case] = [
    case
    for module in sorted(found.name for found in pkgutil.iter_modules(__path__))
    for case in importlib.import_module(f"{__name__}.{module}").CASES
]
COMPOSING = [case for case in CASES if case.composes]
DIFFERENTIABLE = [case for case in CASES if case.differentiable]
