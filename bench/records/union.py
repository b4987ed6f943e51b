"""Several runs seen as one: equal cells are united, cells that differ are kept apart and say why.

Runs are united where protocol, memory, parameters, code and kind of machine agree, which trial
keys tell: same key, same trial. Everything else keeps the names of its runs; see
`bench.records.differences`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import MembError
from bench.records.condensed import condensed
from bench.records.differences import Naming, Planned, engine, naming
from bench.running.cache import digest
from bench.store import Record, RunFolder, best_records

Call = dict[str, Any]
Cell = Mapping[str, Any]

ROUNDING = 1e-5
"""Relative difference that two machines may leave in a trial of float32."""


@dataclass(frozen=True)
class Source:
    """One run as one of its calls planned it.

    Attributes:
        folder: Where it is stored.
        calls: All calls of its manifest.
        call: The call whose plan counts.
        best: The record that counts for each trial key.
        seeds_extended: Whether seeds were added after results were seen.
    """

    folder: RunFolder
    calls: Sequence[Call]
    call: Call
    best: Mapping[str, Record]
    seeds_extended: bool

    @property
    def plan(self) -> list[dict[str, Any]]:
        """The cells of its plan."""
        found: list[dict[str, Any]] = self.call["plan"]
        return found

    def records(self) -> dict[str, Record]:
        """The records of what its call planned, costs included, by trial key."""
        keys = {key for cell in self.plan for _, key in cell["trials"]}
        cells = {cell["cell_key"] for cell in self.plan}
        return {
            key: record
            for key, record in self.best.items()
            if key in keys or (record["kind"] == "costs" and record["cell_key"] in cells)
        }


@dataclass(frozen=True)
class Union:
    """Several runs as one.

    Attributes:
        whole: One call that planned all of their cells; its ``sources`` say where they come from.
        origins: By trial key, the run that its record comes from.
    """

    whole: Source
    origins: Mapping[str, Source]


def read(folder: RunFolder, call: str | None = None, *, brief: bool = False) -> Source:
    """A run as its latest call planned it, or as the named one did.

    Args:
        folder: The run.
        call: The call whose plan counts; the latest if None.
        brief: Whether records are `condensed` to what tables need.

    Raises:
        MembError: If the folder holds no run, the call is unknown, or two records of one trial
            contradict each other.
    """
    if not folder.exists:
        raise MembError(
            f"no run in {folder.path}: it has no manifest.json",
            help="name a folder that 'memb run' wrote, such as results/quickstart",
        )
    calls = folder.manifest()["calls"]
    matching = [entry for entry in calls if call is None or entry["call_id"] == call]
    if not matching:
        wanted = "call" if call is None else f"call '{call}'"
        known = ", ".join(entry["call_id"] for entry in calls) or "none"
        raise MembError(f"no {wanted} in {folder.path}", help=f"its calls: {known}")
    chosen = matching[-1]
    extended = bool(chosen.get("seeds_extended")) or _extended(calls, chosen)
    records = condensed(folder.records()) if brief else folder.records()
    return Source(folder, calls, chosen, best_records(records), extended)


def _extended(calls: Sequence[Call], last: Call) -> bool:
    """Whether an earlier call of the same cells had fewer seeds: results were seen in between."""
    now = {cell["cell_key"]: {seed for seed, _ in cell["trials"]} for cell in last["plan"]}
    for call in calls:
        if call["call_id"] == last["call_id"] or not call["ended"]:
            continue
        for cell in call["plan"]:
            before = {seed for seed, _ in cell["trials"]}
            if before < now.get(cell["cell_key"], before):
                return True
    return False


def unite(sources: Sequence[Source]) -> Union:
    """Several runs as one whose plan holds the cells of all.

    Raises:
        MembError: If two runs hold different values of one trial.
    """
    named = dict(zip(_run_names(sources), sources, strict=True))
    plans = [_planned(name, source) for name, source in named.items()]
    names = naming(plans)
    best, origins, remarks = _records(named)
    runs = {
        plan.run: {key: run for cell in plan.cells for key, run in _runs(cell, plan.run)}
        for plan in plans
    }
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for plan in plans:
        for cell in plan.cells:
            placed = _placed(cell, plan, names)
            at = (placed["label"], placed["task_label"])
            cells[at] = _joined(cells[at], placed) if at in cells else placed
    for cell in cells.values():
        cell["runs"] = [
            runs[origins[key]][key] if key in origins else run
            for (_, key), run in zip(cell["trials"], cell["runs"], strict=True)
        ]
    _part_costs(cells.values(), best)
    call = _call(named, names, list(cells.values()), remarks)
    whole = Source(sources[0].folder, [call], call, best, call["seeds_extended"])
    return Union(whole, {key: named[run] for key, run in origins.items()})


def _run_names(sources: Sequence[Source]) -> list[str]:
    """A name for each run: that of its folder, or its path where two folders have one name.

    Raises:
        MembError: If a run is named twice.
    """
    paths = [source.folder.path for source in sources]
    same = {path for path in paths if sum(p.resolve() == path.resolve() for p in paths) > 1}
    if same:
        raise MembError(f"{min(same)} is named twice", help="name each run once")
    names = [path.name for path in paths]
    return [
        path.as_posix() if names.count(name) > 1 or not name else name
        for path, name in zip(paths, names, strict=True)
    ]


def _planned(name: str, source: Source) -> Planned:
    provenance = source.call["provenance"]
    kind = str(provenance["device"]).partition(":")[0]
    return Planned(name, source.plan, kind, str(provenance.get("dtype", "float32")))


def _runs(cell: Cell, run: str) -> Iterable[tuple[str, str]]:
    """Trial key and run of each trial; a merged run's cells name the runs they came from."""
    keys = [key for _, key in cell["trials"]]
    within = cell.get("runs")
    runs = [run] * len(keys) if within is None else [f"{run}/{name}" for name in within]
    return zip(keys, runs, strict=True)


def _placed(cell: Cell, plan: Planned, names: Naming) -> dict[str, Any]:
    """A cell under its new labels, with what sets it apart and the run of each trial."""
    label, task = cell["label"], cell["task_label"]
    standing = dict(cell.get("standing") or {})
    marks = [*standing.get("marks", ()), *names.marks.get((plan.run, label, task), ())]
    return {
        **cell,
        "label": names.labels[plan.run, label],
        "task_label": names.tasks[plan.run, task],
        "standing": {**standing, "marks": marks},
        "runs": [run for _, run in _runs(cell, plan.run)],
        "machine": plan.machine(cell),
    }


def _joined(first: Cell, second: Cell) -> dict[str, Any]:
    """The first cell with the trials of both, by seed."""
    trials: dict[int | None, tuple[str, str]] = {}
    for cell in (first, second):
        for (seed, key), run in zip(cell["trials"], cell["runs"], strict=True):
            trials.setdefault(seed, (key, run))
    order = sorted(trials, key=lambda seed: -1 if seed is None else seed)
    return {
        **first,
        "trials": [[seed, trials[seed][0]] for seed in order],
        "runs": [trials[seed][1] for seed in order],
    }


def _records(
    named: Mapping[str, Source],
) -> tuple[dict[str, Record], dict[str, str], list[str]]:
    """The record of each key, the run it comes from, and what there is to say about it."""
    best: dict[str, Record] = {}
    origins: dict[str, str] = {}
    rounded: dict[tuple[str, str], int] = {}
    for run, source in named.items():
        for key, record in source.records().items():
            known = best.get(key)
            if known is not None and known["status"] == "ok":
                if record["kind"] == "trial" and record["status"] == "ok":
                    pair = (origins[key], run)
                    rounded[pair] = rounded.get(pair, 0) + _rounded(known, record, pair)
                continue
            best[key], origins[key] = record, run
    remarks = [
        f"{n} trials that {a} and {b} both hold differ by rounding; those of {a} stand"
        for (a, b), n in rounded.items()
        if n
    ]
    return best, origins, remarks


def _rounded(known: Record, record: Record, runs: tuple[str, str]) -> bool:
    """Whether two ok records of one trial differ by rounding.

    Raises:
        MembError: If they differ by more.
    """
    a, b = _by_point(known), _by_point(record)
    scalars = [{at for at in found if at[1] is None} for found in (a, b)]
    if scalars[0] == scalars[1]:
        pairs = [(at, a[at], b[at]) for at in a if at in b]
        wrong = next((pair for pair in pairs if not _close(pair[1], pair[2])), None)
        if wrong is None:
            return any(x != y for _, x, y in pairs)
        (metric, _), x, y = wrong
        detail = f"{metric} is {x:.10g} in {runs[0]} and {y:.10g} in {runs[1]}"
    else:
        detail = f"{runs[0]} and {runs[1]} hold different metrics"
    raise MembError(
        f"trial {record['trial_key']} ({record['label']} on {record['task_label']}, seed "
        f"{record['seed']}) has two values: {detail}",
        help="the trial is not reproducible, or a file was edited: run it again in one of them, "
        "or leave that memory out of one run with --only",
    )


def _by_point(record: Record) -> dict[tuple[str, float | None], float]:
    return {(metric["name"], metric.get("x")): metric["value"] for metric in record["metrics"]}


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=ROUNDING, abs_tol=1e-12)


def _part_costs(cells: Iterable[dict[str, Any]], best: dict[str, Record]) -> None:
    """Give cells that differ in the machine alone costs of their own: their key does not tell."""
    by_key: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for cell in cells:
        machine = cell["machine"]
        kind = f"{machine['device']}/{machine['dtype']}/{engine(cell, machine)}"
        by_key.setdefault(cell["cell_key"], []).append((kind, cell))
    for key, found in by_key.items():
        if len({kind for kind, _ in found}) == 1:
            continue
        for kind, cell in found:
            own = digest([key, kind])
            cost_key = digest([key, "costs", cell["machine"]["device"]])
            if cost_key in best:
                copy = best[cost_key] | {"trial_key": digest([own, "costs"]), "cell_key": own}
                best[copy["trial_key"]] = copy
            cell["cell_key"] = own


def _call(
    named: Mapping[str, Source],
    names: Naming,
    cells: list[dict[str, Any]],
    remarks: list[str],
) -> Call:
    """What a manifest holds of the runs together, as if one call had planned them."""
    sources = [entry for run, source in named.items() for entry in _origin(run, source)]
    provenances = [entry["calls"][-1]["provenance"] for entry in sources]
    calls = [entry["calls"][-1] for entry in sources]
    ended = [call["ended"] for call in calls]
    return {
        "call_id": "merged-" + digest([[e["run"], e["calls"][-1]["call_id"]] for e in sources], 12),
        "started": min(call["started"] for call in calls),
        "ended": max(ended) if all(ended) else None,
        "stopped": max((call["stopped"] for call in calls if call["stopped"]), default=None),
        "sources": sources,
        "remarks": [
            *dict.fromkeys(
                remark
                for source in named.values()
                for remark in source.call.get("remarks", ())
                if not remark.startswith(_SEVERAL)
            ),
            *remarks,
            *_machines(provenances),
        ],
        "seeds_extended": any(source.seeds_extended for source in named.values()),
        "suite": _suite(named, names),
        "plan": cells,
        "provenance": _provenance(provenances),
    }


_SEVERAL = "Runs of several machines"


def _machines(provenances: Sequence[Mapping[str, Any]]) -> list[str]:
    machines = list(dict.fromkeys(f"{p['device']} ({p.get('cpu')})" for p in provenances))
    if len(machines) == 1:
        return []
    return [f"{_SEVERAL}, {', '.join(machines)}: their times do not compare"]


def _origin(run: str, source: Source) -> list[Call]:
    """Where a run's records come from: path and calls, without suites and plans."""
    if nested := source.call.get("sources"):
        return [{**entry, "run": f"{run}/{entry['run']}"} for entry in nested]
    used = {record["call_id"] for record in source.records().values()}
    calls = [
        {key: call.get(key) for key in _OF_A_CALL}
        for call in source.calls
        if call["call_id"] in used and call is not source.call
    ]
    calls.append({key: source.call.get(key) for key in _OF_A_CALL})
    return [{"run": run, "path": str(source.folder.path), "calls": calls}]


_OF_A_CALL = ("call_id", "started", "ended", "stopped", "jobs", "timeout_s", "provenance")


def _suite(named: Mapping[str, Source], names: Naming) -> dict[str, Any]:
    """The first run's suite with the memories, tasks and seeds of all."""
    memories: dict[str, dict[str, Any]] = {}
    tasks: dict[str, dict[str, Any]] = {}
    for run, source in named.items():
        for entry in source.call["suite"]["memories"]:
            label = names.labels.get((run, entry["label"]), entry["label"])
            limits = entry.get("tasks")
            limited = [names.tasks.get((run, name), name) for name in limits or ()] or None
            memories.setdefault(label, {**entry, "label": label, "tasks": limited})
        for entry in source.call["suite"]["tasks"]:
            label = names.tasks.get((run, entry["label"]), entry["label"])
            tasks.setdefault(label, {**entry, "label": label})
    run, first = next(iter(named.items()))
    suite = first.call["suite"]
    seeds = {seed for source in named.values() for seed in source.call["suite"]["seeds"]}
    return {
        **suite,
        "seeds": sorted(seeds),
        "memories": list(memories.values()),
        "tasks": list(tasks.values()),
        "reference": [names.labels.get((run, label), label) for label in suite["reference"]],
    }


def _provenance(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all sources agree on; text that differs is listed, anything else is left out."""
    together: dict[str, Any] = {}
    for key in dict.fromkeys(key for provenance in found for key in provenance):
        values = [provenance.get(key) for provenance in found]
        if all(value == values[0] for value in values):
            together[key] = values[0]
        elif all(isinstance(value, str) for value in values):
            together[key] = " | ".join(dict.fromkeys(map(str, values)))
        else:
            together[key] = None
    return together
