"""Dynamic banks, and all other state of HPM, kept in files and taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from memories.base import InvalidParameter, State
from memories.hpm.core import HierarchicalPrimitiveMemory

VERSION = 1


def save_state(
    path: Path, memory: HierarchicalPrimitiveMemory, state: State, names: Mapping[int, str]
) -> None:
    """Write a state to PATH.safetensors, and what it belongs to to PATH.json.

    The JSON object holds ``version``, ``D``, ``Dv``, ``C``, ``banks`` and ``names``, by id.

    Args:
        path: Without its suffix.
        memory: Whose state it is.
        state: Any state of it.
        names: Names of events by id; ids without a name are allowed.
    """
    about = {**_about(memory), "names": {str(one): name for one, name in sorted(names.items())}}
    save_file(
        {name: entry.contiguous() for name, entry in state.items()},
        path.with_name(f"{path.name}.safetensors"),
    )
    text = json.dumps(about, indent=2, ensure_ascii=False)
    path.with_name(f"{path.name}.json").write_text(text + "\n", encoding="utf-8")


def load_state(
    path: Path, memory: HierarchicalPrimitiveMemory
) -> tuple[dict[str, Tensor], dict[int, str]]:
    """The state and the names that `save_state` wrote, bit for bit, on the memory's device.

    Args:
        path: Without its suffix.
        memory: Takes up the state.

    Raises:
        InvalidParameter: If the state is of another format, width, capacity, set of banks or
            layout than the memory's.
        OSError: If a file cannot be read.
    """
    about = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    names = {int(one): str(name) for one, name in about.pop("names").items()}
    for word, own in _about(memory).items():
        if about.get(word) != own:
            raise InvalidParameter(
                word,
                f"is {about.get(word)} in {path}, {own} in the memory that loads it",
                help="load it into a memory built as the one that saved it",
            )
    state = load_file(path.with_name(f"{path.name}.safetensors"))
    expected = memory.init_state()
    wrong = [
        name
        for name in sorted(state.keys() | expected.keys())
        if _layout(state.get(name)) != _layout(expected.get(name))
    ]
    if wrong:
        raise InvalidParameter(
            wrong[0],
            f"is {_layout(state.get(wrong[0]))} in {path}, {_layout(expected.get(wrong[0]))} in "
            "the memory that loads it",
            help="load it into a memory built as the one that saved it",
        )
    return {name: entry.to(expected[name].device) for name, entry in state.items()}, names


def _about(memory: HierarchicalPrimitiveMemory) -> dict[str, object]:
    settings = memory.settings
    return {
        "version": VERSION,
        "D": memory.width,
        "Dv": memory.width,
        "C": settings.capacity,
        "banks": list(settings.dynamic),
    }


def _layout(entry: Tensor | None) -> str:
    return "missing" if entry is None else f"{list(entry.shape)} {entry.dtype}"
