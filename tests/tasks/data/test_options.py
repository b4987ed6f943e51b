from dataclasses import dataclass
from typing import Literal

import pytest

from tasks.data.errors import DataProblem
from tasks.data.options import parse_options


@dataclass(frozen=True)
class Choices:
    mode: Literal["plain", "fancy"] = "plain"
    rows: int | None = None
    clean: bool = False


@dataclass(frozen=True)
class Nothing:
    pass


def test_given_options_replace_defaults():
    assert parse_options(Choices, {"rows": 5, "mode": "fancy"}, "d") == Choices("fancy", 5, False)
    assert parse_options(Choices, {"rows": None}, "d") == Choices()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "fanci"}, "option 'mode' must be one of 'plain', 'fancy', got 'fanci'"),
        ({"rows": "5"}, "option 'rows' must be an integer or null, got '5'"),
        ({"rows": True}, "option 'rows' must be an integer or null, got True"),
        ({"rows": 5.0}, "option 'rows' must be an integer or null, got 5.0"),
        ({"clean": 1}, "option 'clean' must be true or false, got 1"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(given, message):
    with pytest.raises(DataProblem) as caught:
        parse_options(Choices, given, "d")
    assert caught.value.message == message
    assert caught.value.place == "d"


def test_an_unknown_option_is_refused_with_the_nearest_and_all_others():
    with pytest.raises(DataProblem, match="dataset 'd' takes no option 'moda'") as caught:
        parse_options(Choices, {"moda": "plain"}, "d")
    assert caught.value.help == "did you mean 'mode'? it takes mode, rows, clean"


def test_a_dataset_without_options_says_so():
    with pytest.raises(DataProblem) as caught:
        parse_options(Nothing, {"mode": "plain"}, "d")
    assert caught.value.help == "it takes none"
