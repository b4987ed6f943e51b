"""The machine and the versions behind a run, and what two runs do not share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.check.model import Environment, EnvironmentDifference
from bench.errors import MembError, Problem
from bench.running.cache import canonical

MOVES_SCORES = ("torch", "device", "numpy", "dtype")
"""Facts that may move a score a little; where they differ, a check says so."""
MACHINE = ("cpu", "cores", "device", "threads")
"""Facts that tell one machine from another: times are compared on one alone."""
PINNED = (*MOVES_SCORES, "machine_id")
"""Facts that must agree for two runs to agree to the last digits."""


def of(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of a call from its provenance.

    ``deterministic`` is true where every rerun gives the same bits: on the CPU with one thread,
    as memb runs; other devices reduce in any order.
    """
    keys = ("python", "torch", "numpy", "device", "cpu", "cores", "threads", "dtype")
    known = {key: provenance.get(key) for key in keys}
    return {
        **known,
        "deterministic": str(known["device"]) == "cpu" and known["threads"] == 1,
        "machine_id": machine_id(known),
    }


def machine_id(environment: Mapping[str, Any]) -> str:
    """SHA-256 of CPU model, number of cores, device and threads: where times can be compared."""
    facts = [environment.get(key) for key in MACHINE]
    return hashlib.sha256(canonical(facts).encode()).hexdigest()


def differences(
    baseline: Environment, current: Sequence[Environment]
) -> tuple[EnvironmentDifference, ...]:
    """The facts in which any environment of the current run differs from the baseline's."""
    found = []
    for key in dict.fromkeys([*baseline, *(key for one in current for key in one)]):
        others = [one.get(key) for one in current if one.get(key) != baseline.get(key)]
        found += [
            EnvironmentDifference(key, baseline.get(key), other) for other in _distinct(others)
        ]
    return tuple(found)


def _distinct(values: Sequence[Any]) -> Iterator[Any]:
    for index, value in enumerate(values):
        if value not in values[:index]:
            yield value


def warnings(found: Sequence[EnvironmentDifference]) -> list[str]:
    """One sentence on the differences that may move a score; none if there are none."""
    told = [f"{one.key} {one.baseline} -> {one.current}" for one in found if _moves(one)]
    if not told:
        return []
    return [
        f"The environment differs from the baseline's ({'; '.join(told)}): a change may come from "
        "it rather than from the code."
    ]


def _moves(difference: EnvironmentDifference) -> bool:
    return difference.key in MOVES_SCORES


def refuse_changed(
    found: Sequence[EnvironmentDifference], environments: Sequence[Environment]
) -> None:
    """Refuse an exact check across environments that cannot agree to the last digits.

    Raises:
        MembError: Naming every pinned fact that differs, or a device that reduces in any order.
    """
    help = "leave --mode exact out, write a baseline here, or accept it with --allow-env-change"
    problems = [
        Problem(f"exact mode: {_moved(one, found)}", help=help)
        for one in found
        if one.key in PINNED
    ]
    if not all(one.get("deterministic") for one in environments):
        problems.append(Problem("exact mode: the device does not compute bit for bit", help=help))
    if problems:
        raise MembError(problems)


def _moved(difference: EnvironmentDifference, found: Sequence[EnvironmentDifference]) -> str:
    """A fact that differs; of a machine, those that it is told by."""
    if difference.key != "machine_id":
        return f"{difference.key} is {difference.current}, in the baseline {difference.baseline}"
    known = [f"{one.key} {one.baseline} -> {one.current}" for one in found if one.key in MACHINE]
    return f"another machine_id{': ' if known else ''}{'; '.join(known)}"
