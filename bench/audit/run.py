"""Trying all laws of a memory's protocol on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench import registry, seeds
from bench.audit import associative, forecaster
from bench.audit.verdict import Law, Verdict
from bench.errors import MembError, Problem
from bench.reading import strict_yaml, values
from bench.running import construct
from memories.base import Memory, protocol_of

LAWS: Mapping[str, tuple[Law, ...]] = {
    "associative": associative.LAWS,
    "forecaster": forecaster.LAWS,
}


@dataclass(frozen=True)
class Audit:
    """All verdicts on one memory.

    Attributes:
        memory: Registry name.
        params: Its parameters, resolved.
        protocol: The protocol whose laws were tried.
        verdicts: One per law.
    """

    memory: str
    params: dict[str, Any]
    protocol: str
    verdicts: tuple[Verdict, ...]

    @property
    def held(self) -> bool:
        """Whether no law is broken."""
        return not any(verdict.outcome == "broken" for verdict in self.verdicts)


def audit(name: str, given: Mapping[str, Any] | None = None) -> Audit:
    """Try every law on a registered memory at small sizes.

    Args:
        name: Registry name.
        given: Values for its own parameters; the rest keep their defaults.

    Raises:
        MembError: If the memory or a parameter is unknown or a value wrong, or if the memory's
            protocol has no laws yet.
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
    return Audit(name, params, protocol, try_laws(name, params, protocol))


def try_laws(name: str, params: Mapping[str, Any], protocol: str) -> tuple[Verdict, ...]:
    """The verdict of each law of the protocol."""
    dictated = associative.DICTATED if protocol == "associative" else forecaster.DICTATED

    def build(seed: int, _: Tensor | None = None) -> Memory:
        generator = seeds.torch_generator(seed, seeds.INIT)
        return construct.build_memory(name, params, dictated, generator)

    return tuple(law.verdict(build) for law in LAWS[protocol])


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
