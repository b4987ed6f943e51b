"""What a family of rules is: parameters drawn once per episode, and pairs that follow them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from numpy.random import Generator

from tasks.arc.grids import Grid, Pair
from tasks.arc.scenes import mixed_scene, object_scene

Parameters: TypeAlias = tuple[int, ...]
"""What one rule of a family is told apart from the others by; colours are part of it."""

LOWEST = -3
"""Smallest number that occurs among parameters."""
PER_PARAMETER = 16
"""Numbers that a parameter may take, from the lowest on."""
MOST_PARAMETERS = 9


@dataclass(frozen=True)
class Family:
    """A family of rules.

    Attributes:
        name: Its kebab-case name.
        group: The group of concepts it belongs to.
        rule: What its rules do, in words, with the names of the parameters.
        names: What its parameters are called.
        draw: Draws the parameters of an episode.
        pair: Draws a pair that follows them; None where the family's own conditions fail.
    """

    name: str
    group: str
    rule: str
    names: tuple[str, ...]
    draw: Callable[[Generator], Parameters]
    pair: Callable[[Generator, Parameters], Pair | None]

    def describe(self, parameters: Parameters) -> dict[str, int]:
        """The parameters by name."""
        return dict(zip(self.names, parameters, strict=True))


def primitive_id(family: int, parameters: Parameters) -> int:
    """A number of its own for each rule: family and parameters as the digits of one integer.

    Raises:
        ValueError: If there are more parameters than digits, or one is out of range.
    """
    digits = [value - LOWEST for value in parameters]
    if len(digits) > MOST_PARAMETERS or any(not 0 <= d < PER_PARAMETER for d in digits):
        raise ValueError(f"no rule can have the parameters {parameters}")
    number = family
    for digit in [*digits, *[0] * (MOST_PARAMETERS - len(digits))]:
        number = number * PER_PARAMETER + digit
    return number


def of_objects(
    rule: Callable[..., Grid | None],
) -> Callable[[Generator, Parameters], Pair | None]:
    """Pairs of a scene of objects and what the rule makes of it, None where it makes nothing."""
    return _of(object_scene, rule)


def of_mixed(
    rule: Callable[..., Grid | None],
) -> Callable[[Generator, Parameters], Pair | None]:
    """The same for scenes of objects and textures."""
    return _of(mixed_scene, rule)


def _of(
    scene: Callable[[Generator], Grid], rule: Callable[..., Grid | None]
) -> Callable[[Generator, Parameters], Pair | None]:
    def pair(rng: Generator, parameters: Parameters) -> Pair | None:
        given = scene(rng)
        made = rule(given, *parameters)
        return None if made is None else (given, made)

    return pair


def one_of(*choices: Sequence[int]) -> Callable[[Generator], Parameters]:
    """Draws one of some tuples of parameters, all equally likely."""
    options = [tuple(choice) for choice in choices]

    def draw(rng: Generator) -> Parameters:
        return options[int(rng.integers(0, len(options)))]

    return draw
