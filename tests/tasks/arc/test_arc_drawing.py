from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console

from tasks.arc.drawing import PALETTE, GridPairs, of_episode, of_pool, of_task
from tasks.arc.episodes import episode
from tasks.arc.real import ArcTask
from tasks.samples.sample import Part, Sample
from tests.tasks.samples.drawn import drawn


def g(*rows: str) -> np.ndarray:
    return np.array([[int(cell) for cell in row.replace(".", "0")] for row in rows], dtype=np.int8)


SMALL = GridPairs("two pairs", [(g("1.", ".2"), g("12")), (g("333"), g("3", "3", "3"))])


def test_pairs_stand_side_by_side_with_a_digit_in_every_cell_that_is_not_background() -> None:
    assert drawn(SMALL, width=60).splitlines() == [
        "two pairs",
        "1: 2x2 → 1x2    2: 1x3 → 3x1",
        "1 .  → 1 2      3 3 3  → 3",
        ". 2                      3",
        "                         3",
    ]


def test_pairs_that_do_not_fit_stand_below_each_other() -> None:
    assert drawn(SMALL, width=14).splitlines() == [
        "two pairs", "1: 2x2 → 1x2", "1 .  → 1 2", ". 2", "",
        "2: 1x3 → 3x1", "3 3 3  → 3", "         3", "         3",
    ]  # fmt: skip


def test_pairs_stand_side_by_side_from_the_width_that_they_need_on() -> None:
    """Two headings of twelve columns and four between them."""
    assert "1: 2x2 → 1x2    2: 1x3 → 3x1" in drawn(SMALL, width=28)
    assert "2:" not in drawn(SMALL, width=27).splitlines()[1]


def test_an_output_that_does_not_fit_beside_its_input_stands_below_it() -> None:
    wide = GridPairs("one", [(g("1111"), g("2222"))])
    assert drawn(wide, width=10).splitlines() == [
        "one", "1: 1x4 → …", "1 1 1 1", "becomes", "2 2 2 2",
    ]  # fmt: skip
    assert drawn(wide, width=6).splitlines()[1:] == ["1: 1x…", "1111", "becom…", "2222"]


def test_ascii_alone_is_drawn_where_nothing_else_can_be_encoded() -> None:
    text = drawn(SMALL, width=60, encoding="ascii")
    assert text.isascii()
    assert "1 .  -> 1 2" in text


@pytest.mark.parametrize("width", [24, 40, 80, 200])
@pytest.mark.parametrize("family", range(0, 24, 3))
def test_no_line_is_wider_than_the_terminal(width: int, family: int) -> None:
    sample = of_episode(episode(0, "test", family, 0), 3)
    for part in sample.parts:
        assert max(map(len, drawn(part, width=width).splitlines())) <= min(width, 100)


def test_every_digit_can_be_read_back_from_the_drawing() -> None:
    one = episode(0, "test", 18, 0, demos=1)
    given, made = one.pairs[0]
    lines = drawn(GridPairs("", [(given, made)]), width=100).splitlines()[2:]
    width = 2 * given.shape[1]
    read = [
        [int(cell) for cell in line.replace(".", "0")[:width].split()] for line in lines if line
    ]
    np.testing.assert_array_equal(read, given)


def test_colours_are_drawn_where_the_terminal_has_them() -> None:
    text = drawn(SMALL, width=60, colours=True)
    red, green, blue = (int(PALETTE[3][at : at + 2], 16) for at in (1, 3, 5))
    assert f"48;2;{red};{green};{blue}m3" in text
    assert "\x1b" not in drawn(SMALL, width=60)


def luminance(red: int, green: int, blue: int) -> float:
    """Relative luminance (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
              for c in (red / 255, green / 255, blue / 255)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_digit_stands_out_from_its_colour() -> None:
    """Black or white, at a contrast of 4.5 to 1 or more, as WCAG 2 asks of text."""
    every = np.arange(10, dtype=np.int8)[None]
    text = drawn(GridPairs("", [(every, every)]), width=100, colours=True)
    shades = re.findall(r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m[.\d] ", text)
    assert len(shades) == 20
    for shade in shades:
        of_digit, of_cell = luminance(*map(int, shade[:3])), luminance(*map(int, shade[3:]))
        assert (max(of_digit, of_cell) + 0.05) / (min(of_digit, of_cell) + 0.05) >= 4.5


def test_an_episode_is_told_with_its_rule_and_shown_with_its_demonstrations() -> None:
    one = episode(0, "test", 13, 2)
    sample = of_episode(one, 2)
    told, shown = (part.data() for part in sample.parts)
    assert sample.title == "keep, test episode 2"
    assert told["values"]["family"] == "keep"
    assert told["values"]["group"] == "relational"
    assert told["values"]["which"] == one.parameters[0]
    assert shown["pairs"] == [{"input": x.tolist(), "output": y.tolist()} for x, y in one.pairs[:2]]


def test_a_real_task_is_shown_with_its_test_pairs() -> None:
    pair = g("1"), g("2")
    sample: Sample = of_task(ArcTask("00abcdef", (pair, pair), (pair,)))
    assert sample.title == "ARC-AGI-1 task 00abcdef"
    assert [len(part.data()["pairs"]) for part in sample.parts[1:]] == [2, 1]


def test_samples_of_the_corpus_are_different_tasks_for_different_seeds() -> None:
    one, again, other = (
        [sample.title for sample in of_pool(5, seed, "training")] for seed in (0, 0, 1)
    )
    assert one == again != other
    assert len(set(one)) == 5


def test_what_is_drawn_is_a_part_of_a_sample() -> None:
    part: Part = SMALL
    Console(file=io.StringIO()).print(part)
    assert part.data()["kind"] == "grid-pairs"
