"""What is audited: a memory that can be built again and again, on a backbone that suits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench import registry, seeds
from bench.errors import MembError, nearest
from bench.reading import params as reading
from bench.registry import Entry
from bench.running import construct
from memories.base import InvalidParameter, Unsuitable


@dataclass(frozen=True)
class Subject:
    """A memory under audit.

    Attributes:
        build: Makes the memory of a seed; a stream given beside it is not looked at.
        backbone: The backbone it is built on; empty where it takes none.
        note: Why it is not the default one, if it is not.
    """

    build: Callable[..., Any]
    backbone: str = ""
    note: str = ""


def subject(
    entry: Entry, params: Mapping[str, Any], dictated: Mapping[str, Any], backbone: str | None
) -> Subject:
    """The memory at these parameters and sizes, on the backbone or the first that suits it.

    Raises:
        MembError: If it takes no backbone and one is given, or if nothing can be built.
    """
    if "backbone" not in reading.dictated(entry):
        if backbone is not None:
            raise MembError(f"{entry.name} takes no backbone, so not '{backbone}' either")
        build = _builder(entry, params, dictated)
        if reason := _unsuitable(build):
            raise MembError(f"{entry.name} cannot be built at the audit's sizes: {reason}")
        return Subject(build)
    known = registry.names("backbone")
    if backbone is not None and backbone not in known:
        help = f"{nearest(backbone, known)} 'memb list backbones' shows all".strip()
        raise MembError(f"unknown backbone '{backbone}'", help=help)
    first = dictated["backbone"]
    others = sorted(name for name in known if name != first)
    return _on_a_backbone(entry, params, dictated, [backbone] if backbone else [first, *others])


def _on_a_backbone(
    entry: Entry, params: Mapping[str, Any], dictated: Mapping[str, Any], names: list[str]
) -> Subject:
    """The memory on the first of the backbones that suits it."""
    refused: list[str] = []
    for name in names:
        build = _builder(entry, params, {**dictated, "backbone": name})
        reason = _unsuitable(build)
        if not reason:
            return Subject(build, name, f"not {refused[0]}" if refused else "")
        refused.append(f"on {name}: {reason}")
    raise MembError(f"{entry.name} cannot be audited {'; '.join(refused)}")


def _builder(
    entry: Entry, params: Mapping[str, Any], dictated: Mapping[str, Any]
) -> Callable[..., Any]:
    def build(seed: int, _: Tensor | None = None) -> Any:
        generator = seeds.torch_generator(seed, seeds.INIT)
        return construct.build_memory(entry.name, params, dictated, generator)

    return build


def _unsuitable(build: Callable[..., Any]) -> str:
    """Why the memory cannot be built at these sizes; empty if it can.

    Raises:
        MembError: If a parameter's value is refused.
    """
    try:
        build(0)
    except Unsuitable as reason:
        return str(reason)
    except InvalidParameter as wrong:
        raise MembError(str(wrong), help=wrong.help) from wrong
    return ""
