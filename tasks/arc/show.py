"""Episodes for a person to look at: one family after another."""

from __future__ import annotations

from tasks.arc.drawing import GridPairs, of_episode
from tasks.arc.episodes import EpisodeSplit, episode
from tasks.arc.families import FAMILIES
from tasks.samples.sample import Facts, Sample

ROUTED = "the family, one of 24, from a code of the demonstrations; family and rule are not told"
"""What routing tasks ask."""
FOUND_AGAIN = "the same episode, from a code of other pairs of it; family and rule are not told"
"""What retrieval of generated episodes asks."""
STRIDE = 7
"""Families from one sample to the next: the first four samples are of four groups."""


def shown_episodes(
    n: int, seed: int, split: EpisodeSplit, demos: int, *, asked: bool = False
) -> list[Sample]:
    """The first episodes of n families, or the first ones of all where n is larger.

    Args:
        n: How many.
        seed: Seed of the data.
        split: Which episodes.
        demos: Demonstrations that each is shown with.
        asked: Whether the held-out pairs are shown that the episode is asked for with.
    """
    shown = []
    for at in range(n):
        drawn = episode(seed, split, STRIDE * at % len(FAMILIES), at // len(FAMILIES))
        sample = of_episode(drawn, demos)
        question = Facts({"asked": FOUND_AGAIN if asked else ROUTED})
        held = [GridPairs("asked for with", drawn.pairs[demos : 2 * demos])] if asked else []
        shown.append(Sample(sample.title, (question, *sample.parts, *held)))
    return shown
