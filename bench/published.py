"""Files of published numbers: their format, those that ship, and which task points they are about.

task: online-tsf
params: {dataset: etth1, split: offline, lookback: 96}     # every result's task has these
remark: One sentence on how they were made.
comparable: true
metrics: {mse: mean squared error over the test windows}
sources: {liu-2024: 'Liu et al. 2024, full results of long-term forecasting'}
results:
  - {name: DLinear, params: {horizon: 96, backbone: dlinear}, metric: mse, value: 0.386,
     memory: frozen, source: liu-2024}
"""

from __future__ import annotations

import importlib.resources
import re
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from bench.errors import MembError, Problem
from bench.reading import findings, strict_yaml
from bench.reading.findings import Finding, dotted, own_error
from bench.reading.strict_yaml import Document

_TASK = re.compile(r"^task:\s*(\S+)", re.MULTILINE)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PublishedNumber(_Model):
    """One published number."""

    name: str
    """What its source calls the method."""
    metric: str
    """Name of the task's metric that it is about."""
    value: FiniteFloat | None = None
    """The number, or the mean of several runs."""
    values: Annotated[list[FiniteFloat], MinLen(2)] | None = None
    """The numbers of single runs, in place of their mean."""
    seeds: list[int] | None = None
    """The seeds of `values`, in their order."""
    sd: Annotated[FiniteFloat, Ge(0)] | None = None
    """Sample standard deviation over runs."""
    n: Annotated[int, Ge(1)] | None = None
    """Number of runs."""
    source: str
    """Key of its citation."""
    params: dict[str, Any] = {}
    """Parameters that the task point must have, beside those of the file."""
    memory: str | None = None
    """Name of the registered memory that should give this number."""
    memory_params: dict[str, Any] = {}
    """Parameters that the memory must have."""

    @model_validator(mode="after")
    def _complete(self) -> PublishedNumber:
        if (self.value is None) == (self.values is None):
            raise own_error("give either value or values")
        if self.values is not None and (self.sd is not None or self.n is not None):
            raise own_error("sd and n follow from values: leave them out")
        if self.seeds is not None and len(self.seeds) != len(self.values or ()):
            raise own_error("seeds are those of values: as many, each in its place")
        if self.sd is not None and (self.n is None or self.n < 2):
            raise own_error("sd needs n, the number of runs it is over, at least 2")
        if self.memory_params and self.memory is None:
            raise own_error("memory_params needs memory")
        return self

    @property
    def mean(self) -> float:
        """The number itself."""
        return statistics.fmean(self.values) if self.values is not None else float(self.value or 0)

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over runs; None if not published."""
        return statistics.stdev(self.values) if self.values is not None else self.sd

    @property
    def runs(self) -> int | None:
        """Number of runs; None if not published."""
        return len(self.values) if self.values is not None else self.n


class PublishedFile(_Model):
    """Published numbers of one task."""

    task: str
    """Registered name of the task."""
    params: dict[str, Any] = {}
    """Parameters that a task point must have for all of them."""
    comparable: bool | dict[str, Any] = True
    """Whether they were measured as ours are, so that a difference means something; or parameters
    that make a task point so. At other points they are shown and never judged."""
    remark: str = ""
    """A sentence to stand beside them."""
    metrics: Annotated[dict[str, str], MinLen(1)]
    """What each metric is in the sources."""
    sources: Annotated[dict[str, str], MinLen(1)]
    """Authors, year and table, by a short key."""
    results: Annotated[list[PublishedNumber], MinLen(1)]
    """The numbers."""

    def comparable_at(self, params: Mapping[str, Any]) -> bool:
        """Whether a task point with these parameters measures as they were measured."""
        if isinstance(self.comparable, bool):
            return self.comparable
        return holds(self.comparable, params)


def load(choice: str, tasks: Collection[str]) -> tuple[PublishedFile, ...]:
    """The published numbers of some tasks.

    Args:
        choice: ``auto`` for those that ship with memb, ``none``, or a YAML file of your own.
        tasks: Registered names of the tasks that are shown.

    Raises:
        MembError: If the file cannot be read, breaks the format, or is about none of the tasks.
    """
    if choice == "none":
        return ()
    if choice == "auto":
        return tuple(
            read(text, file) for file, text in _shipped() if set(_TASK.findall(text)) & set(tasks)
        )
    path = Path(choice)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise MembError(
            f"cannot read {choice}: {getattr(err, 'strerror', None) or err}",
            help="--published takes auto, none, or a YAML file of published numbers",
        ) from err
    own = read(text, choice)
    if own.task not in tasks:
        raise MembError(
            f"its numbers are of task '{own.task}', which is not shown",
            place=choice,
            help=f"shown are {', '.join(sorted(tasks))}",
        )
    return (own,)


def _shipped() -> Iterable[tuple[str, str]]:
    """Name and text of each file that ships, by name."""
    folder = importlib.resources.files("suites") / "published"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            yield f"suites/published/{file.name}", file.read_text(encoding="utf-8")


def read(text: str, file: str) -> PublishedFile:
    """The numbers of a file's text.

    Raises:
        MembError: Everything that is wrong with it, with file, line and column.
    """
    document = strict_yaml.load(text, file=file)
    try:
        model = PublishedFile.model_validate(document.data)
    except ValidationError as error:
        found = findings.of(error)
    else:
        found = list(_undefined(model))
        if not found:
            return model
    problems = [_problem(finding, document) for finding in found]
    raise MembError(problems, summary=f"{len(problems)} problems in {file}")


def _undefined(model: PublishedFile) -> Iterable[Finding]:
    """Names that the file uses and does not explain."""
    for index, result in enumerate(model.results):
        for key, value, known in (
            ("metric", result.metric, model.metrics),
            ("source", result.source, model.sources),
        ):
            if value not in known:
                listed = ", ".join(known)
                yield Finding(
                    ("results", index, key),
                    f"unknown {key} '{value}'",
                    f"explain it under {key}s; there are {listed}",
                    whole=True,
                )
        if result.memory is not None and model.comparable is False:
            yield Finding(
                ("results", index, "memory"),
                "a number that is not comparable cannot be reproduced",
                "leave memory out, or say comparable: true or at which parameters it is",
                whole=True,
            )


def _problem(finding: Finding, document: Document) -> Problem:
    where = dotted(finding.path)
    message = finding.message if finding.whole or not where else f"{where}: {finding.message}"
    place = document.place(finding.path, key=finding.on_key)
    return Problem(message, place, where, finding.help)


def holds(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether resolved parameters are as an entry wants them.

    What the entry does not name may be anything; a bare name stands for any mapping with that
    ``name``, such as a backbone of any parameters.
    """
    return all(key in found and _fits(value, found[key]) for key, value in wanted.items())


def in_words(wanted: Mapping[str, Any]) -> str:
    """Parameters as a reader meets them: ``encoder spectral-former (preset paper), stride 1``."""
    return ", ".join(f"{key} {_in_words(value)}" for key, value in wanted.items())


def _in_words(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    params = value.get("params")
    own = f" ({in_words(params)})" if params else ""
    return f"{value['name']}{own}" if "name" in value else in_words(value)


def _fits(wanted: Any, found: Any) -> bool:
    if isinstance(found, Mapping):
        if isinstance(wanted, Mapping):
            return holds(wanted, found)
        return isinstance(wanted, str) and found.get("name") == wanted
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return bool(list(wanted) == found)
    return bool(wanted == found)
