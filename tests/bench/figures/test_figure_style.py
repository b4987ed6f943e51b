"""One look per memory: distinct, and the same whatever else a suite holds."""

from __future__ import annotations

import matplotlib

from bench.figures.style import DASHES, MARKERS, PALETTE, RC, house, named, styles

OKABE_ITO = "#0072B2 #E69F00 #009E73 #D55E00 #CC79A7 #56B4E9 #F0E442 #000000"


def test_the_first_eight_memories_have_the_eight_colours_in_order() -> None:
    found = styles([f"m{k}" for k in range(8)])
    assert [style.color for style in found.values()] == OKABE_ITO.split()


def test_a_memory_added_at_the_end_changes_nobody_elses_look() -> None:
    labels = [f"m{k}" for k in range(42)]
    before, after = styles(labels), styles([*labels, "new"])
    assert {label: after[label] for label in labels} == before


def test_looks_of_sixty_memories_are_distinct_with_and_without_colour() -> None:
    found = list(styles([f"m{k}" for k in range(60)]).values())
    assert len({(s.color, s.marker, s.dashes) for s in found}) == 60
    first = found[: len(MARKERS)]
    assert len({s.marker for s in first}) == len(first)
    assert len({s.dashes for s in found[: len(DASHES)]}) == len(DASHES)


def test_looks_repeat_only_after_all_combinations() -> None:
    found = list(styles([f"m{k}" for k in range(529)]).values())
    assert len(set(found[:528])) == 528  # lcm of 8 colours x 6 dashes and 11 markers
    assert found[528] == found[0]
    assert len(PALETTE) * len(DASHES) * len(MARKERS) == 528


def test_settings_hold_within_the_house_and_nowhere_else() -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 40, "lines.linewidth": 9, "text.usetex": True}):
        with house():
            assert matplotlib.rcParams["font.size"] == RC["font.size"]
            assert not matplotlib.rcParams["text.usetex"]
        assert matplotlib.rcParams["font.size"] == 40
    assert dict(matplotlib.rcParams) == before


def test_an_axis_names_the_metric_its_unit_and_the_better_side() -> None:
    assert named("mse", "lower") == "mse ↓"
    assert named("capacity_90", "higher", "items") == "capacity_90 (items) ↑"
