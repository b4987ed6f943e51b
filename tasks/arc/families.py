"""The 24 families of rules, six to each of four groups.

They are written from scratch to cover the concepts of ConceptARC (Moskvichev, Odouard & Mitchell
2023) and 1D-ARC (Xu et al. 2023).
"""

from __future__ import annotations

from tasks.arc import compositional, concept, pattern, relational
from tasks.arc.family import Family

FAMILIES: tuple[Family, ...] = (
    *compositional.FAMILIES,
    *pattern.FAMILIES,
    *relational.FAMILIES,
    *concept.FAMILIES,
)
"""All families; a new one goes to the end, where it leaves the episodes of the others alone."""
GROUPS = (compositional.GROUP, pattern.GROUP, relational.GROUP, concept.GROUP)
"""The groups, in the order of their families."""
GROUP_OF = tuple(GROUPS.index(family.group) for family in FAMILIES)
"""Index of each family's group."""
TOLD_BY_INPUTS = ("sym-complete", "tile-complete")
"""Families that their inputs alone give away; means are quoted with and without them."""
