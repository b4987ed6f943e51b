"""What a test over seeds says of one pair of memories."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Significance:
    """What a test said about one pair.

    Attributes:
        test: ``t``, ``signflip``, ``wilcoxon`` or ``welch``.
        statistic: t, the mean oriented difference (sign-flip) or W (Wilcoxon); None if undefined.
        df: Degrees of freedom of a t; None for the others.
        p: Two-sided p-value, raw.
        p_flip: Sign-flip p of the same pairs; None if unpaired.
        p_min: Smallest p that the planned test can return at this n.
        fragile: Whether significance hangs on one seed.
        tie: Whether all pairs are equal.
        constant: Whether all differences are the same non-zero number, so that t is undefined.
        opposed: Whether the ranks that Wilcoxon's test judges and the mean difference point in
            opposite directions, so that neither can be claimed.
    """

    test: str
    statistic: float | None
    df: float | None
    p: float
    p_flip: float | None
    p_min: float
    fragile: bool = False
    tie: bool = False
    constant: bool = False
    opposed: bool = False
