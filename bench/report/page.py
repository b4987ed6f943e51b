"""A report as one HTML file that loads nothing: styles, script, figures and data are inside.

A content security policy in its head admits our own script, by its hash, styles, and pictures in
data URIs: whatever else might slip into a label or a traceback can neither run nor load anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from bench.provenance import version
from bench.report.downloads import compressed
from bench.report.grids import audit_grids, places, skipped_grid
from bench.report.model import Plate, Report
from bench.tables import html

FEW = 3
"""Up to so many disclosures of a kind are open at first."""
BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
"""One transparent pixel, until the script has unpacked a figure."""
TONES = {"claim": "established", "open": "open", "caution": "mind"}


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    anchor: str
    title: str
    count: str = ""


def render(report: Report) -> str:
    """The page; equal reports give equal text."""
    style, script = _static("report.css"), _static("report.js")
    template = _templates().get_template("report.html.j2")
    return template.render(
        report=report,
        parts=_parts(report),
        version=version(),
        style=Markup(style),
        script=Markup(script),
        script_hash=_digest(script),
        tones=TONES,
        few=FEW,
        kinds=_kinds(report.plates),
        blank=BLANK,
        audit_grids=audit_grids(report.audits),
        not_audited=[row.label for row in report.audits if not row.verdicts],
        skipped_grid=skipped_grid(report.skipped),
    )


def _parts(report: Report) -> list[Part]:
    failed = sum(mishap.trials for mishap in report.failures)
    known = {
        "findings": Part("findings", "Findings"),
        "overview": Part("overview", "Overview"),
        "leaderboards": Part("leaderboards", "Leaderboards", str(len(report.boards))),
        "figures": Part("figures", "Figures", str(len(report.plates))),
        "costs": Part("costs", "Quality against cost"),
        "audit": Part("audit", "Audit of the memories"),
        "failures": Part("failures", "Failures and warnings", f"{failed} failed" if failed else ""),
        "plan": Part("plan", "Plan"),
        "provenance": Part("provenance", "Provenance"),
        "data": Part("data", "Data"),
    }
    empty = {
        "overview": not report.overview,
        "figures": not (report.plates or report.undrawn),
        "costs": not report.trade_offs,
    }
    return [part for name, part in known.items() if not empty.get(name)]


def _kinds(plates: Sequence[Plate]) -> dict[str, list[Plate]]:
    """Figures by kind, in order of appearance."""
    found: dict[str, list[Plate]] = {}
    for plate in plates:
        found.setdefault(plate.kind, []).append(plate)
    return found


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    offered: Mapping[str, Any] = {
        "table": lambda grid: Markup(html.table(grid)),
        "saved": saved,
        "size": size,
        "places": places,
    }
    environment.globals.update(offered)
    return environment


def data_uri(media_type: str, content: bytes) -> str:
    """The bytes as a URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def saved(name: str, media_type: str, content: bytes, text: str) -> Markup:
    """A link that saves a file: compressed, or plain where the page's script unpacks it."""
    uri = data_uri("application/gzip", compressed(content))
    return Markup(
        '<a download="{name}.gz" data-name="{name}" data-type="{media}" href="{uri}">{text}</a>'
    ).format(name=name, media=media_type, uri=uri, text=text)


def size(content: bytes) -> str:
    """How large it is, unpacked."""
    kilobytes = len(content) / 1000
    return f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{kilobytes:.1f} kB"


def _static(name: str) -> str:
    return resources.files("bench.report").joinpath("static", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
