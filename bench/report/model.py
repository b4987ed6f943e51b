"""What a report says: plain values in reading order, and no markup."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bench.tables.grid import Grid

Tone = Literal["claim", "open", "caution"]


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for, e.g. ``seeds`` and ``5 (0 to 4)``."""

    name: str
    value: str


@dataclass(frozen=True)
class Finding:
    """One headline sentence.

    Attributes:
        text: What was found.
        evidence: The test behind it, with n and correction; empty where nothing is claimed.
        tone: ``claim`` (a test backs it), ``open`` (a test could not tell) or ``caution``.
    """

    text: str
    evidence: str
    tone: Tone


@dataclass(frozen=True)
class Download:
    """Data behind the page, to be saved as a file.

    Attributes:
        name: File name.
        about: What it holds, a few words.
        media_type: Its media type.
        content: Its bytes.
    """

    name: str
    about: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Board:
    """The leaderboards of one task point and metric.

    Attributes:
        task: Label of the task point.
        metric: Name of the metric.
        title: Task point, metric, unit and direction.
        grids: The tables.
    """

    task: str
    metric: str
    title: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Plate:
    """One figure.

    Attributes:
        kind: What kind of figure it is, in words, e.g. ``capacity curve``.
        name: File name without its ending.
        title: What it shows, a few words.
        caption: How it is read, with n and the definition of bands.
        alternative: Its content in words, for those who do not see it.
        svg: The drawing.
        data: The numbers behind it, as CSV.
    """

    kind: str
    name: str
    title: str
    caption: str
    alternative: str
    svg: bytes
    data: bytes

    @property
    def width(self) -> int:
        """Width of the drawing in CSS pixels, so that a page keeps room for it."""
        return self._pixels(b"width")

    @property
    def height(self) -> int:
        """Height of the drawing in CSS pixels."""
        return self._pixels(b"height")

    def _pixels(self, side: bytes) -> int:
        """A side of the drawing, given in points of 4/3 pixels."""
        found = re.search(rb"<svg\b[^>]*?\b" + side + rb'="([0-9.]+)pt"', self.svg)
        if found is None:
            raise ValueError(f"{self.name}: its {side.decode()} is not given in points")
        return round(float(found[1]) * 4 / 3)


@dataclass(frozen=True)
class Place:
    """Where something happened: a memory on a task, with the seeds and keys of its trials."""

    label: str
    task: str
    seeds: tuple[int, ...]
    trial_keys: tuple[str, ...]


@dataclass(frozen=True)
class Mishap:
    """Trials without a value that share one reason.

    Attributes:
        status: ``error``, ``nonfinite``, ``timeout``, ``oom``, ``missing`` or ``skipped``.
        message: The reason, as recorded.
        traceback: The full traceback, as recorded; may be empty.
        places: Where.
    """

    status: str
    message: str
    traceback: str
    places: tuple[Place, ...]

    @property
    def trials(self) -> int:
        """Number of trials it happened to."""
        return sum(len(place.trial_keys) for place in self.places)


@dataclass(frozen=True)
class LawVerdict:
    """What became of one law: ``held``, ``broken`` or ``n/a``, and what was seen."""

    law: str
    claim: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class AuditRow:
    """What is known of one memory's laws.

    Attributes:
        label: The memory's label in the run.
        memory: Its registry name.
        verdicts: One per law; empty where it was not audited.
        note: With which parameters, on what backbone, or why there is no audit.
    """

    label: str
    memory: str
    verdicts: tuple[LawVerdict, ...]
    note: str

    @property
    def outcome(self) -> str:
        """``held``, ``broken`` or ``not audited``."""
        if not self.verdicts:
            return "not audited"
        return "broken" if any(v.outcome == "broken" for v in self.verdicts) else "held"

    def count(self, outcome: str) -> int:
        """Number of laws with this outcome."""
        return sum(verdict.outcome == outcome for verdict in self.verdicts)


@dataclass(frozen=True)
class Call:
    """One call of ``memb run``: when, with which command, on what.

    Attributes:
        call_id: Its identifier.
        command: The command line.
        used: Whether the report shows the plan of this call.
        facts: Times, versions, machine, as recorded.
    """

    call_id: str
    command: str
    used: bool
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Run:
    """One run folder and its calls, in order."""

    path: str
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    Attributes:
        title: Title of the page.
        description: The suite's own description; may be empty.
        glance: The run in numbers.
        findings: Headline sentences.
        overview: Tables over all tasks.
        boards: Leaderboards by task point and metric.
        plates: Figures.
        undrawn: Figures that do not apply, with the reason.
        trade_offs: Quality against state and time.
        notes: The sentences that must stand below any table of the run.
        trade_off_notes: The same for the trade-offs.
        audits: One row per memory.
        failures: Trials that failed.
        skipped: Trials the plan left out.
        warnings: What finished trials warn of.
        plan: Memories and tasks with their parameters.
        statistics: What was asked of the comparison.
        runs: Provenance.
        downloads: All data of the page.
        labels: Memories, in the suite's order.
        tasks: Task points, in the suite's order.
    """

    title: str
    description: str
    glance: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    overview: tuple[Grid, ...]
    boards: tuple[Board, ...]
    plates: tuple[Plate, ...]
    undrawn: tuple[Fact, ...]
    trade_offs: tuple[Grid, ...]
    notes: tuple[str, ...]
    trade_off_notes: tuple[str, ...]
    audits: tuple[AuditRow, ...]
    failures: tuple[Mishap, ...]
    skipped: tuple[Mishap, ...]
    warnings: tuple[str, ...]
    plan: tuple[Grid, ...]
    statistics: tuple[Fact, ...]
    runs: tuple[Run, ...]
    downloads: tuple[Download, ...]
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
