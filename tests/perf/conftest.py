"""Prints what benchmarks note beside their times: ratios measured side by side."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    noted = [b for b in session.benchmarks if b.extra_info] if session else []
    if noted:
        terminalreporter.section("ratios")
    for benchmark in noted:
        words = (f"{k} = {v:.3g}" if isinstance(v, float) else f"{k} = {v}"
                 for k, v in benchmark.extra_info.items())  # fmt: skip
        terminalreporter.line(f"{benchmark.name}: {', '.join(words)}")
