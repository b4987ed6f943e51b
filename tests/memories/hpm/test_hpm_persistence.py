"""A state in files: bit for bit, and never taken up by a memory of another shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from memories.base import InvalidParameter
from memories.hpm.persistence import load_state, save_state
from memories.hpm.settings import BANKS
from tests.memories.hpm.built import codes, core, filled


def saved(folder: Path, **settings: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    memory = core(banks=BANKS, moved=0.3, **settings)
    state = memory.account(filled(memory, 11), memory(filled(memory, 11), codes(1, 4))[1])
    state["frozen"] = state["usage"] > 0.2
    save_state(folder / "bank.v1", memory, state, {3: "rotate", 1: "größer"})
    return folder / "bank.v1", state


def test_a_state_comes_back_bit_for_bit_with_its_names(tmp_path: Path) -> None:
    path, state = saved(tmp_path)
    memory = core(banks=BANKS, moved=0.3)
    loaded, names = load_state(path, memory)
    assert loaded.keys() == state.keys()
    for name, entry in state.items():
        assert loaded[name].dtype == entry.dtype
        assert torch.equal(loaded[name], entry)
    assert names == {1: "größer", 3: "rotate"}
    z = codes(2, 5)
    assert torch.equal(memory(loaded, z)[0], memory(state, z)[0])
    about = json.loads((tmp_path / "bank.v1.json").read_text(encoding="utf-8"))
    assert about == {
        "version": 1,
        "D": 16,
        "Dv": 16,
        "C": 8,
        "banks": ["procedural", "instance"],
        "names": {"1": "größer", "3": "rotate"},
    }


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"width": 32}, "D: is 16 in .*, 32 in the memory"),
        ({"capacity": 9}, "C: is 8 in .*, 9 in the memory"),
        ({"banks": (*BANKS[:4], "instance")}, "banks: is .*procedural.* in the memory"),
        ({"primitives": 32, "levels": 3}, "frozen: is .*4, 2, 8.*4, 3, 12"),
    ],
)
def test_a_memory_of_another_shape_refuses_it(tmp_path: Path, other: Any, word: str) -> None:
    path, _ = saved(tmp_path)
    with pytest.raises(InvalidParameter, match=word):
        load_state(path, core(**{"banks": BANKS, **other}))


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path, _ = saved(tmp_path)
    file = tmp_path / "bank.v1.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"version": 1', '"version": 2'))
    with pytest.raises(InvalidParameter, match=r"version: is 2 in .*, 1 in the memory"):
        load_state(path, core(banks=BANKS))
