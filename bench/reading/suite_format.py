"""The format of a suite file: its keys, their types, and its JSON Schema for editors.

These models say what a file may look like. What the names in it mean (memories, tasks, their
parameters) is resolved in `bench.suite`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
)

from bench import registry
from bench.errors import nearest
from bench.reading import findings
from bench.reading.findings import Finding, own_error, shown

KEBAB = r"^[a-z0-9]+(-[a-z0-9]+)*\Z"
MAX_SEEDS = 10_000
"""More than any study needs; a slip of the pen asks for more."""


def _seeds(value: Any) -> tuple[int, ...]:
    """Seeds from their number or their list."""
    if type(value) is int:
        if value < 1:
            raise own_error(f"must be >= 1, got {value}")
        if value > MAX_SEEDS:
            raise own_error(f"must be <= {MAX_SEEDS}, got {value}")
        return tuple(range(value))
    if not isinstance(value, list) or not value:
        raise own_error(f"must be a number of seeds or a list of seeds, got {shown(value)}")
    for index, seed in enumerate(value):
        if type(seed) is not int or seed < 0:
            raise own_error(f"item {index + 1} must be a whole number >= 0, got {shown(seed)}")
        if seed in value[:index]:
            raise own_error(f"seed {seed} stands twice")
    return tuple(value)


def _budgets(value: Any) -> tuple[int, ...]:
    """Budgets from one number or a list of them."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise own_error("an empty list gives no budget")
    for index, budget in enumerate(listed):
        if type(budget) is not int or budget < 1:
            raise own_error(f"must be a whole number of floats >= 1, got {shown(budget)}")
        if budget in listed[:index]:
            raise own_error(f"budget {budget} stands twice")
    return tuple(listed)


def _kebab(value: str) -> str:
    if re.match(KEBAB, value) is None:
        raise own_error(f"must be lower-case words joined by hyphens, got {shown(value)}")
    return value


def _label(value: str) -> str:
    if set(value) & set("[]:\n") or value != value.strip():
        raise own_error(f"must be one line without '[', ']' or ':', got {shown(value)}")
    return value


def _named(value: Any) -> Any:
    """A bare name as the mapping it abbreviates."""
    return {"name": value} if isinstance(value, str) else value


def _untuned(value: Any) -> Any:
    return {} if value == "none" else value


Label = Annotated[str, MinLen(1), AfterValidator(_label)]
_SeedList = Annotated[
    list[Annotated[int, Ge(0)]], MinLen(1), Field(json_schema_extra={"uniqueItems": True})
]
Seeds = Annotated[
    tuple[int, ...],
    PlainValidator(_seeds, json_schema_input_type=Annotated[int, Ge(1), Le(MAX_SEEDS)] | _SeedList),
]


Budget = Annotated[
    tuple[int, ...],
    PlainValidator(
        _budgets, json_schema_input_type=Annotated[int, Ge(1)] | list[Annotated[int, Ge(1)]]
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class MemoryEntry(_Model):
    """One memory, or several that differ in a grid of parameters."""

    name: str
    """Name in the registry; 'memb list memories' shows all."""
    label: Label | None = None
    """What tables call it; its name by default."""
    params: dict[str, Any] = {}
    """Constructor parameters; a list where one value is expected is a grid."""
    tune: Annotated[
        dict[str, list[Any]],
        BeforeValidator(_untuned, json_schema_input_type=dict[str, list[Any]] | Literal["none"]),
    ] = {}
    """Parameters to be chosen on the validation stream, each with the values to try."""
    meta: Literal["none", "quick", "full"] = "none"
    """Budget of meta-training; the memory then has two rows, one untrained and one trained."""
    tasks: Annotated[list[str], MinLen(1)] | None = None
    """Tasks it is limited to, by name or label."""


class TaskEntry(_Model):
    """One task, or several that differ in a grid of parameters."""

    name: str
    """Name in the registry; 'memb list tasks' shows all."""
    label: Label | None = None
    """What tables call it; its name by default."""
    params: dict[str, Any] = {}
    """Constructor parameters; a list where one value is expected is a grid."""
    block: Label | None = None
    """Family of related tasks that count as one when many tasks are compared."""
    budget: Budget | None = None
    """State floats that memories are sized to; a list is one task point per budget."""
    memories: Annotated[list[str], MinLen(1)] | None = None
    """Memories it is limited to, by name or label."""


def _some_tolerance(value: ToleranceEntry) -> ToleranceEntry:
    if not value.model_fields_set:
        raise own_error("must give rel, abs or both")
    return value


class ToleranceEntry(_Model):
    """The largest change of a metric that does not matter: max(abs, rel |value|)."""

    rel: Annotated[float, Ge(0), AllowInfNan(False)] = 0.0
    """As a share of the value, e.g. 0.02 for 2 %."""
    abs: Annotated[float, Ge(0), AllowInfNan(False)] = 0.0
    """In the metric's own units."""


class Statistics(_Model):
    """How differences are tested."""

    test: Literal["auto", "t", "signflip", "wilcoxon", "welch"] = "auto"
    """Test of a difference between two memories, paired by seed except for welch."""
    correction: Literal["holm", "bh", "hommel", "bonferroni", "none"] = "holm"
    """Correction for testing many differences."""
    alpha: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Significance level."""
    tolerance: dict[str, Annotated[ToleranceEntry, AfterValidator(_some_tolerance)]] = {}
    """By metric, the change that does not matter; each class of metrics has a default."""


class SuiteFile(_Model):
    """Which memories meet which tasks, over which seeds, and how they are compared."""

    name: Annotated[str, AfterValidator(_kebab), Field(json_schema_extra={"pattern": KEBAB})]
    """Kebab-case name; results land in results/NAME."""
    description: str = ""
    """One sentence on what the suite is for."""
    seeds: Seeds
    """Number of seeds (5 means 0 to 4), or the list of them."""
    memories: Annotated[
        list[
            Annotated[
                MemoryEntry, BeforeValidator(_named, json_schema_input_type=str | MemoryEntry)
            ]
        ],
        MinLen(1),
    ]
    """What is compared: names, or mappings that set more."""
    tasks: Annotated[
        list[Annotated[TaskEntry, BeforeValidator(_named, json_schema_input_type=str | TaskEntry)]],
        MinLen(1),
    ]
    """What they are compared on: names, or mappings that set more."""
    reference: str | list[str] | None = None
    """Label of the memory that the others are compared with; of several, on each task the first
    that meets it; the suite's first memory by default."""
    statistics: Statistics = Field(default_factory=Statistics)
    """How differences are tested."""


_SECTIONS: tuple[tuple[registry.Kind, str, type[BaseModel]], ...] = (
    ("memory", "memories", MemoryEntry),
    ("task", "tasks", TaskEntry),
)
_MODELS: dict[str | int, type[BaseModel]] = {
    **{section: model for _, section, model in _SECTIONS},
    "statistics": Statistics,
}


def validate(data: Any) -> tuple[SuiteFile | None, list[Finding]]:
    """The file as a model, None if it breaks the format, and everything that does."""
    if data is None:
        return None, [Finding((), "the file is empty", "start with  name: my-suite", whole=True)]
    try:
        return SuiteFile.model_validate(data), []
    except ValidationError as error:
        return None, [_with_help(finding) for finding in findings.of(error)]


def entries(data: Any, section: str) -> dict[int, Any]:
    """The entries of ``memories`` or ``tasks`` that keep to the format, by their index.

    So that what they say is checked even where the rest of the file is wrong.
    """
    given = data.get(section) if isinstance(data, dict) else None
    valid = {}
    for index, raw in enumerate(given if isinstance(given, list) else []):
        try:
            valid[index] = _MODELS[section].model_validate(_named(raw))
        except ValidationError:
            continue  # `validate` reports it
    return valid


def _with_help(finding: Finding) -> Finding:
    """An unknown key with the nearest of the keys that stand beside it."""
    if not finding.on_key:
        return finding
    model = _MODELS.get(finding.path[0], SuiteFile) if len(finding.path) > 1 else SuiteFile
    if finding.path[:2] == ("statistics", "tolerance"):
        model = ToleranceEntry
    known = list(model.model_fields)
    help = f"{nearest(str(finding.path[-1]), known)} allowed are {', '.join(known)}".strip()
    if "params" in known:
        help += "; parameters go under params"
    return replace(finding, help=help)


def schema() -> dict[str, Any]:
    """JSON Schema of a suite file, with the names of all memories and tasks for completion.

    Nothing is imported: parameters are described by 'memb info NAME', not here.
    """
    described = SuiteFile.model_json_schema()
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "memb suite"
    for kind, section, model in _SECTIONS:
        known = registry.names(kind)
        described["$defs"][model.__name__]["properties"]["name"]["enum"] = known
        for variant in described["properties"][section]["items"]["anyOf"]:
            if variant.get("type") == "string":
                variant["enum"] = known
    return described
