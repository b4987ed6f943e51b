"""Colours of the page: text stands out as WCAG 2.1 level AA asks, in light and in dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

CSS = resources.files("bench.report").joinpath("static", "report.css").read_text(encoding="utf-8")
TEXT, CONTROL = 4.5, 3.0
"""Least contrast of text (criterion 1.4.3), and of the edges of controls (1.4.11)."""
GROUNDS = ("paper", "wash", "stripe", "tint", "near", "blush")
PAIRS = (
    *(("ink", ground, TEXT) for ground in GROUNDS),
    *(("soft", ground, TEXT) for ground in GROUNDS),
    *(("accent", ground, TEXT) for ground in ("paper", "wash", "tint")),
    *(("bad", ground, TEXT) for ground in ("paper", "blush")),
    ("paper", "accent", TEXT),
    ("edge", "paper", CONTROL),
    ("accent", "paper", CONTROL),
    ("bad", "blush", CONTROL),
)


def scheme(name: str) -> dict[str, str]:
    """The custom properties of a scheme; dark ones replace light ones."""
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    found = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", blocks[0]))
    if name == "dark":
        found |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", blocks[1]))
    return found


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_known_colours() -> None:
    """Black on white is 21 by definition; #767676 on white is the published limit of 4.54."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_every_pair_of_colours_in_use_has_enough_contrast(
    name: str, front: str, ground: str, least: float
) -> None:
    colours = scheme(name)
    assert contrast(colours[front], colours[ground]) >= least


def test_the_dark_scheme_replaces_every_colour() -> None:
    light, dark = scheme("light"), scheme("dark")
    assert light.keys() == dark.keys()
    assert [name for name in light if light[name] == dark[name]] == []


def test_no_colour_stands_outside_of_the_schemes() -> None:
    rules = re.sub(r":root \{[^}]*\}", "", CSS)
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", rules) == []


def test_motion_is_only_for_those_who_do_not_mind_it() -> None:
    without = re.sub(
        r"@media \(prefers-reduced-motion: no-preference\) \{.*?\n\}", "", CSS, flags=re.DOTALL
    )
    assert without != CSS
    assert not re.search(r"transition|animation|scroll-behavior", without)
