"""Trying all laws of a memory's protocol on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench import registry
from bench.audit import (
    associative,
    forecaster,
    labelled_events,
    router,
    router_training,
    tokens,
)
from bench.audit.subject import Subject, subject
from bench.audit.verdict import Law, Verdict, clone
from bench.errors import MembError, Problem
from bench.reading import strict_yaml, values
from memories.base import OnlineForecaster, protocol_of

LAWS: Mapping[str, tuple[Law, ...]] = {
    "associative": associative.LAWS,
    "forecaster": forecaster.LAWS,
    "tokens": tokens.LAWS,
    "router": router.LAWS,
}
DICTATED: Mapping[str, Mapping[str, Any]] = {
    "associative": associative.DICTATED,
    "forecaster": forecaster.DICTATED,
    "tokens": tokens.DICTATED,
    "router": labelled_events.DICTATED,
}
"""By protocol, the sizes that a memory is tried at."""


@dataclass(frozen=True)
class Audit:
    """All verdicts on one memory.

    Attributes:
        memory: Registry name.
        params: Its parameters, resolved.
        protocol: The protocol whose laws were tried.
        verdicts: One per law.
        backbone: The backbone it was tried on; empty where it takes none.
        note: Why it is not the default one, if it is not.
    """

    memory: str
    params: dict[str, Any]
    protocol: str
    verdicts: tuple[Verdict, ...]
    backbone: str = ""
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether no law is broken."""
        return not any(verdict.outcome == "broken" for verdict in self.verdicts)


def audit(
    name: str, given: Mapping[str, Any] | None = None, *, backbone: str | None = None
) -> Audit:
    """Try every law on a registered memory at small sizes.

    Args:
        name: Registry name.
        given: Values for its own parameters; the rest keep their defaults.
        backbone: Registered backbone for a forecaster that takes one; ``dlinear`` if None, or the
            first that suits it.

    Raises:
        MembError: If the memory, a parameter or the backbone is unknown or a value wrong, if the
            memory's protocol has no laws yet, or if nothing can be built from it at these sizes.
    """
    entry = registry.get("memory", name)
    params, wrong = values.resolve(entry, given or {})
    if wrong:
        raise MembError(
            [Problem(f.message, path=".".join(map(str, f.path)), help=f.help) for f in wrong]
        )
    protocol = protocol_of(entry.cls)
    if protocol not in LAWS:
        raise MembError(f"no laws for the protocol '{protocol}' of memory '{name}'")
    tried = subject(entry, params, DICTATED[protocol], backbone)
    verdicts = try_laws(tried, protocol)
    if protocol == "router":
        staged = subject(entry, params, labelled_events.CONTINUAL, backbone)
        verdicts = (*verdicts, router_training.STAGES.verdict(staged.build))
    return Audit(name, params, protocol, verdicts, tried.backbone, tried.note)


def try_laws(tried: Subject, protocol: str) -> tuple[Verdict, ...]:
    """The verdict of each law of the protocol."""
    if protocol == "router":
        ready = labelled_events.Fitted(tried.build)
        trained = router_training.FIT.verdict(tried.build)
        return (*(law.verdict(ready) for law in LAWS[protocol]), trained)
    if protocol != "forecaster":
        return tuple(law.verdict(tried.build) for law in LAWS[protocol])
    fitting = forecaster.FIT.verdict(tried.build)
    fitted = Fitted(tried.build)
    return (*(law.verdict(fitted) for law in LAWS[protocol]), fitting)


class Fitted:
    """Builds forecasters that are fitted, once per seed on the same rows.

    Args:
        build: Makes one that is not fitted yet.
    """

    def __init__(self, build: forecaster.Build) -> None:
        self.build = build
        self.known: dict[tuple[int, bytes], dict[str, Tensor]] = {}

    def __call__(self, seed: int, rows: Tensor) -> OnlineForecaster:
        """The forecaster of a seed for a stream [T, C]."""
        memory = self.build(seed, rows)
        if forecaster.fits(memory):
            key = seed, rows[: forecaster.BORDER + 1].numpy().tobytes()
            if key not in self.known:
                forecaster.fit(memory, seed, rows)
                self.known[key] = clone(memory.state_dict())
            memory.load_state_dict(self.known[key])
        return memory


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Parameter values from texts ``NAME=VALUE``; a dot in the name goes into a mapping.

    Raises:
        MembError: If a text is not of that form, its value is not YAML, or its name leads into a
            value that is no mapping.
    """
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise MembError(f"--set {text}: not NAME=VALUE", help="write --set top_k=10")
        *outer, last = name.split(".")
        inner = given
        for part in outer:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise MembError(
                    f"--set {text}: '{part}' was set to '{inner}' before",
                    help=f"write --set {part}.name={inner} for the memory in a slot",
                )
        inner[last] = strict_yaml.load(value, file=f"--set {text}").data
    return given
