from __future__ import annotations

import subprocess
import sys

import pytest

from bench import registry, suite
from bench.reading.suite_format import KEBAB, MAX_SEEDS


@pytest.mark.usefixtures("fake_entries")
def test_the_schema_offers_every_name_for_completion() -> None:
    described = suite.schema()
    for kind, section, model in (
        ("memory", "memories", "MemoryEntry"),
        ("task", "tasks", "TaskEntry"),
    ):
        known = registry.names("memory" if kind == "memory" else "task")
        assert "fake-rag" in known or "fake-probe" in known
        assert described["$defs"][model]["properties"]["name"]["enum"] == known
        bare, mapping = described["properties"][section]["items"]["anyOf"]
        assert bare == {"type": "string", "enum": known}
        assert mapping == {"$ref": f"#/$defs/{model}"}
        assert described["properties"][section]["minItems"] == 1


def test_the_schema_says_what_the_models_say() -> None:
    described = suite.schema()
    assert described["additionalProperties"] is False
    assert described["required"] == ["name", "seeds", "memories", "tasks"]
    assert described["properties"]["name"]["pattern"] == KEBAB
    count, listed = described["properties"]["seeds"]["anyOf"]
    assert count == {"type": "integer", "minimum": 1, "maximum": MAX_SEEDS}
    assert listed == {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 0},
    }
    statistics = described["$defs"]["Statistics"]["properties"]
    assert statistics["correction"]["enum"] == ["holm", "bh", "hommel", "bonferroni", "none"]
    assert statistics["alpha"]["exclusiveMaximum"] == 1
    assert {"const": "none", "type": "string"} in (
        described["$defs"]["MemoryEntry"]["properties"]["tune"]["anyOf"]
    )


def test_every_key_is_described() -> None:
    described = suite.schema()
    for model in (described, *described["$defs"].values()):
        for name, prop in model["properties"].items():
            assert prop.get("description") or prop.get("$ref"), name


def test_neither_the_schema_nor_the_loader_imports_torch_before_a_class_is_asked_for() -> None:
    code = (
        "import sys; from bench import suite, plugins, fingerprint; suite.schema(); "
        "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
