"""A run as one page: what was found, every table and figure, the plan, what failed, the data.

frame = bench.load("results/quickstart")
Path("report.html").write_text(render(report(frame, compare(frame))), encoding="utf-8")
"""

from bench.report.content import report
from bench.report.page import render

__all__ = ["render", "report"]
