"""Hierarchical primitive memory without stored events."""

from __future__ import annotations

from typing import Any

from bench.registry import memory
from memories.hpm.hpm import Hpm
from memories.hpm.settings import STATIC, Bank


@memory("hpm-static", family="hpm", source="HPM v2 (peymanrah/SCI-ARC, 2025), corrected")
class HpmStatic(Hpm):
    """`hpm` with its four static banks alone: what trained primitives give, without retrieval.

    Args:
        banks: Banks in use, whatever their order.
        options: As of `hpm`.
    """

    def __init__(self, *arguments: Any, banks: tuple[Bank, ...] = STATIC, **options: Any) -> None:
        super().__init__(*arguments, banks=banks, **options)
