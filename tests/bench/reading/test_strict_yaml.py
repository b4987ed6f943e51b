from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import MembError
from bench.reading.strict_yaml import MAX_DEPTH, MAX_VALUES, Mark, load

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")))
PLAIN_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=12,
)
ONLY_1_1 = [
    *("no", "Yes", "on", "OFF", "y", "12:30", "1:2:3.5", "2020-01-01", "1_000", "0b11", "0O17"),
    *("0o8", "-0x1", "nan", "inf", "1e", ".", "+", "=", "tRUE", "nUll", "1.2.3", "e5"),
]
TEXT_DATA = st.recursive(
    PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=12,
)


def failure(text: str) -> str:
    with pytest.raises(MembError) as caught:
        load(text, file="s.yaml")
    return caught.value.render()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e+2", -150.0),
        ("010", 10),
        ("+3", 3),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("-.inf", -math.inf),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_scalars_of_the_core_schema_have_their_values(text: str, value: Any) -> None:
    """Examples of YAML 1.2, section 10.3.2."""
    found = load(f"a: {text}", file="s").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_written_with_a_dot() -> None:
    assert math.isnan(load("a: .nan", file="s").data["a"])


@pytest.mark.parametrize(
    "text",
    ONLY_1_1,
)
def test_what_only_yaml_1_1_reads_as_something_else_is_text(text: str) -> None:
    assert load(f"a: {text}", file="s").data == {"a": text}


@given(st.from_regex(r"[0-9]{1,3}(:[0-5]?[0-9]){1,2}", fullmatch=True))
def test_clock_times_are_never_numbers(text: str) -> None:
    assert load(f"a: {text}", file="s").data == {"a": text}


@given(st.integers())
def test_every_integer_survives(number: int) -> None:
    assert load(f"a: {number}", file="s").data == {"a": number}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_as_python_writes_it_survives(number: float) -> None:
    found = load(f"a: {number!r}", file="s").data["a"]
    assert type(found) is float
    assert found == number


@given(PLAIN_DATA)
def test_json_means_the_same_as_in_json(data: Any) -> None:
    """YAML 1.2 contains JSON, except that keys are distinct, which Python's dicts make them."""
    assert load(json.dumps(data, ensure_ascii=False), file="s").data == data


@given(st.dictionaries(PRINTABLE, TEXT_DATA, max_size=3))
def test_text_that_pyyaml_quotes_stays_text(data: dict[str, Any]) -> None:
    assert load(yaml.safe_dump(data, allow_unicode=True, default_style='"'), file="s").data == data


def test_positions_of_keys_and_values_count_from_one() -> None:
    document = load("name: x\nmemories:\n  - delta\n  - {name: rag, label: b}\n", file="s.yaml")
    assert document.keys["memories",] == Mark(2, 1)
    assert document.values["memories",] == Mark(3, 3)
    assert document.values["memories", 0] == Mark(3, 5)
    assert document.keys["memories", 1, "label"] == Mark(4, 17)
    assert document.values["memories", 1, "label"] == Mark(4, 24)
    assert document.place(("memories", 1, "label")) == "s.yaml:4:24"
    assert document.place(("memories", 1, "label"), key=True) == "s.yaml:4:17"


def test_the_place_of_what_is_missing_is_the_place_around_it() -> None:
    document = load("a:\n  b: {c: 1}\n", file="s.yaml")
    assert document.place(("a", "b", "x", 3)) == "s.yaml:2:6"
    assert load("", file="s.yaml").place(("a",)) == "s.yaml:1:1"


def test_an_empty_document_has_no_data() -> None:
    assert load("# nothing\n", file="s").data is None


def test_anchors_and_merge_keys_share_mappings() -> None:
    """Own keys win over merged ones, earlier merged mappings over later ones."""
    text = "x: &x {p: 1, q: 2}\ny: {<<: *x, q: 3}\nz: {<<: [*x, {p: 8, r: 9}]}\n"
    document = load(text, file="s")
    assert document.data["y"] == {"p": 1, "q": 3}
    assert document.data["z"] == {"p": 1, "q": 2, "r": 9}
    assert document.values["y", "p"] == Mark(1, 11)
    assert document.values["y", "q"] == Mark(2, 16)


def test_aliased_data_are_copies() -> None:
    data = load("a: &a [1]\nb: *a", file="s").data
    data["a"].append(2)
    assert data["b"] == [1]


def test_duplicate_keys_are_refused_all_at_once_in_the_order_of_the_file() -> None:
    assert failure("seeds: 1\na: {b: 1,\n  b: 2}\nseeds: 3\n") == (
        "2 problems in s.yaml\n"
        "- key 'b' stands twice, first on line 2\n"
        "  --> s.yaml:3:3\n"
        "  help: remove one of the two\n"
        "- key 'seeds' stands twice, first on line 1\n"
        "  --> s.yaml:4:1\n"
        "  help: remove one of the two"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1, 2\nb: 3",
            "not valid YAML here: while parsing a flow sequence, expected ',' or ']', "
            "but got ':'\n  --> s.yaml:2:2",
        ),
        (
            "a:\n\tb: 1",
            "not valid YAML here: while scanning for the next token, found character '\\t' that "
            "cannot start any token\n  --> s.yaml:2:1\n  help: indent with spaces",
        ),
        ("a: b: c", "not valid YAML here: mapping values are not allowed here\n  --> s.yaml:1:5"),
        ("a: *b", "not valid YAML here: found undefined alias 'b'\n  --> s.yaml:1:4"),
        (
            "a: !!python/object:os.system x",
            "not valid YAML here: tag 'tag:yaml.org,2002:python/object:os.system' is not allowed"
            "\n  --> s.yaml:1:4",
        ),
        ("a: [1, !x 2]", "not valid YAML here: tag '!x' is not allowed\n  --> s.yaml:1:8"),
        ("a: !!str 2", "not valid YAML here: tag 'tag:yaml.org,2002:str' is not allowed"
                       "\n  --> s.yaml:1:4"),
        (
            "--- 1\n--- 2",
            "not valid YAML here: expected a single document in the stream, but found another "
            "document\n  --> s.yaml:2:1",
        ),
        ("a: 1\nb: \x01", "character U+0001 is not allowed\n  --> s.yaml:2:4"),
        ("a: 1\n5: 2", "a key must be text, got 5\n  --> s.yaml:2:1\n  help: quote it"),
        ("[1]: 2", "a key must be text, got a list or mapping\n  --> s.yaml:1:1"),
        ("<<: 3", "'<<' takes a mapping or a list of mappings\n  --> s.yaml:1:5"),
        ("a: 1e999", "the number 1e999 is out of range\n  --> s.yaml:1:4"),
        ("a: &a [1, *a]",
         "an alias stands inside the anchor that it repeats\n  --> s.yaml:1:4"),
        ("a: &a {<<: *a}", "a mapping merges itself\n  --> s.yaml:1:4"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_reported_with_its_place(text: str, message: str) -> None:
    assert failure(text) == message


def test_a_number_of_thousands_of_digits_is_a_problem_not_a_crash() -> None:
    """Python refuses to convert more than 4,300 digits."""
    assert "is out of range\n  --> s.yaml:1:4" in failure("a: " + "9" * 5000)


def test_deep_nesting_is_refused_before_the_stack_is_exhausted() -> None:
    assert load("[" * MAX_DEPTH + "]" * MAX_DEPTH, file="s").data is not None
    assert f"nested more than {MAX_DEPTH} levels deep" in failure("[" * 100_000)


def bomb(first: str, repeat: str) -> str:
    """Nine levels, each holding the one below ten times: 10^9 values."""
    levels = [f"a{i}: &a{i} {repeat.format(','.join([f'*a{i - 1}'] * 10))}" for i in range(1, 10)]
    return "\n".join([f"a0: &a0 {first}", *levels])


@pytest.mark.parametrize("text", [bomb("[1]", "[{}]"), bomb("{k: 1}", "{{<<: [{}]}}")])
def test_alias_bombs_are_refused(text: str) -> None:
    assert f"expands to more than {MAX_VALUES} values" in failure(text)


@given(st.text(st.sampled_from("ab:{}[]-&*<!|>'\"#%@, \n1.e\t?~"), max_size=40))
def test_any_text_is_either_read_or_refused_with_a_place(text: str) -> None:
    try:
        load(text, file="s.yaml")
    except MembError as error:
        assert all(problem.place.startswith("s.yaml:") for problem in error.problems)
