from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import MembError
from bench.reading import strict_yaml
from bench.reading.overrides import Draft, apply, parse_seeds

SUITE = """\
name: s
seeds: 2
memories:
  - delta
  - {name: rag, label: rag.v1, params: {top_k: 3}}
  - {name: rag, label: big, params: {bank: delta}, tune: {lr: [1]}}
  - {name: bank, params: {memory: delta}, tune: none}
tasks: [probe, {name: probe, label: rag}]
"""


def draft(*overrides: str, seeds: str | None = None) -> Draft:
    return apply(strict_yaml.load(SUITE, file="s.yaml"), overrides, seeds)


def refused(override: str) -> str:
    (problem,) = draft(override).problems
    assert problem.place == f"--set {override}"
    return f"{problem.message}; {problem.help}".removesuffix("; ")


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seeds=[1, 2]", ("seeds",), [1, 2]),
        ("reference=delta", ("reference",), "delta"),
        ("statistics.alpha=1e-3", ("statistics", "alpha"), 0.001),
        ("memories.delta.beta=0.5", ("memories", 0, "params", "beta"), 0.5),
        ("memories.delta.params.beta=no", ("memories", 0, "params", "beta"), "no"),
        ("memories.rag.v1.top_k=[1, 2]", ("memories", 1, "params", "top_k"), [1, 2]),
        ("memories.big.label=huge", ("memories", 2, "label"), "huge"),
        ("memories.big.tune.lr=[2, 3]", ("memories", 2, "tune", "lr"), [2, 3]),
        ("memories.bank.tune={rate: [1]}", ("memories", 3, "tune"), {"rate": [1]}),
        (
            "memories.bank.memory.params.beta=1",
            ("memories", 3, "params", "memory", "params", "beta"),
            1,
        ),
        ("tasks.rag.dim = null", ("tasks", 1, "params", "dim"), None),
        ("tasks=[probe]", ("tasks",), ["probe"]),
        ("description=a=b", ("description",), "a=b"),
    ],
)
def test_an_override_sets_one_value_and_tells_where_it_came_from(
    override: str, path: tuple[str | int, ...], value: Any
) -> None:
    changed = draft(override)
    assert changed.problems == []
    found: Any = changed.data
    for key in path:
        found = found[key]
    assert found == value
    assert changed.place((*path, "anything", 0)) == f"--set {override}"
    assert changed.place(("name",)) == "s.yaml:1:7"


def test_a_name_means_every_entry_of_that_name_unless_it_is_a_label() -> None:
    changed = draft("memories.rag.top_k=7", "tasks.probe.dim=3")
    assert [entry["params"]["top_k"] for entry in changed.data["memories"][1:3]] == [7, 7]
    assert changed.data["tasks"] == [
        {"name": "probe", "params": {"dim": 3}},
        {"name": "probe", "label": "rag"},
    ]


def test_a_parameter_of_a_memory_in_a_slot_keeps_the_memorys_name() -> None:
    changed = draft("memories.bank.memory.params.beta=1")
    assert changed.data["memories"][3]["params"]["memory"] == {
        "name": "delta",
        "params": {"beta": 1},
    }


def test_overrides_apply_in_order_and_the_seeds_option_last() -> None:
    changed = draft("memories=[rag]", "memories.rag.k=1", "seeds=9", seeds="0..2")
    assert changed.data["memories"] == [{"name": "rag", "params": {"k": 1}}]
    assert changed.data["seeds"] == [0, 1, 2]
    assert changed.place(("memories", 0, "params", "k")) == "--set memories.rag.k=1"
    assert changed.place(("memories", 0, "name")) == "--set memories=[rag]"
    assert changed.place(("seeds",)) == "--seeds 0..2"
    again = draft("memories.rag.v1.top_k=1", "memories.rag.v1.params={}")
    assert again.data["memories"][1]["params"] == {}
    assert again.place(("memories", 1, "params", "top_k")) == ("--set memories.rag.v1.params={}")


def test_the_file_itself_is_left_as_it_was() -> None:
    document = strict_yaml.load(SUITE, file="s.yaml")
    apply(document, ["memories.rag.top_k=7", "statistics.test=t"], "1")
    assert document == strict_yaml.load(SUITE, file="s.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seeds", "'seeds' is not PATH=VALUE; write --set memories.LABEL.PARAMETER=VALUE; "
                  "for no value write null"),
        ("seeds=", "'seeds=' is not PATH=VALUE; write --set memories.LABEL.PARAMETER=VALUE; "
                   "for no value write null"),
        ("sedes=3", "a suite has no key 'sedes'; did you mean 'seeds'?"),
        ("rag.top_k=3", "a suite has no key 'rag'; begin with memories., tasks. or seeds"),
        ("statistics.alfa=3", "statistics has no key 'alfa'; did you mean 'alpha'?"),
        ("name.x=3", "'name' is one value and has no 'x'; write --set name=..."),
        ("memories.dalta.x=3", "the suite has no 'dalta' among its memories; "
                               "did you mean 'delta'? it has bank, big, delta, rag.v1"),
        ("memories.delta=3", "'memories.delta' names no parameter; "
                             "write --set memories.delta.PARAMETER=VALUE"),
        ("memories.bank.tune.rate=[1]", "'tune' is 'none', not a mapping"),
        ("memories.rag.v1.top_k.x=1", "'top_k' is 3, not a mapping"),
        ("tasks.rag.dim=[1", "not valid YAML here: while parsing a flow sequence, "
                             "expected ',' or ']', but got '<stream end>'"),
        ("tasks.rag.dim=!!int 3", "not valid YAML here: tag 'tag:yaml.org,2002:int' "
                                  "is not allowed"),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_applied_is_named(override: str, message: str) -> None:
    assert refused(override) == message


def test_a_suite_without_entries_says_so() -> None:
    changed = apply(strict_yaml.load("name: s", file="s"), ["memories.x.y=1"], None)
    assert changed.problems[0].help == "it has none"
    assert apply(strict_yaml.load("", file="s"), ["memories.x.y=1"], None).problems == []


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", 3), ("3,", [3]), ("0,2,5", [0, 2, 5]), ("0..3", [0, 1, 2, 3]), (" 7 .. 7", None),
     ("1..2, 9,4..4", [1, 2, 9, 4]), ("2019..2023", [2019, 2020, 2021, 2022, 2023])],
)  # fmt: skip
def test_seeds_on_the_command_line(text: str, seeds: Any) -> None:
    if seeds is None:
        with pytest.raises(MembError, match="is no seed and no range of seeds"):
            parse_seeds(text)
    else:
        assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "-1", "3..1", "1.5", "1,,2", "0...3", "1e3", ".."])
def test_what_is_no_seed_is_refused_with_the_three_forms(text: str) -> None:
    with pytest.raises(MembError) as caught:
        parse_seeds(text)
    assert caught.value.problems[0].help == (
        "write 3 for three seeds, 0,2,5 or 0..9 for these seeds"
    )


def test_a_range_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(MembError, match="more than 10000 seeds"):
        parse_seeds("0..999999999")


@given(st.lists(st.integers(0, 10**6), min_size=2))
def test_any_list_of_seeds_is_read_back(seeds: list[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == seeds


@given(st.text(st.sampled_from("memoristaskndl.=[]{}:,1 !&*"), max_size=30))
def test_any_override_is_either_applied_or_refused(text: str) -> None:
    changed = draft(text)
    assert len(changed.problems) <= 1
    assert bool(changed.problems) == (changed.origins == {})
