"""Memories over a whole suite: mean ranks, scores over tasks, and who is not separated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

from bench.compare.model import Standing
from bench.compare.overall_model import Entrant, Estimate, Overall
from bench.tables import digits as write
from bench.tables.grid import Cell, Column, Grid, grid_of
from bench.tables.means import brackets
from bench.tables.symbols import Sign

RANK_DECIMALS = 2
SCORE_DECIMALS = 3
TIE = 1e-12
SCOPES = {
    "all": "every memory meets every task",
    "full": "all tasks, the memories that meet them all",
    "common": "all memories, the tasks that all of them meet",
}
TESTS = {
    "permutation": "within-row permutation",
    "f": "F",
    "wilcoxon": "Wilcoxon signed-rank",
}
PAIRWISE = {
    "wilcoxon": "pairwise Wilcoxon with Holm",
    "nemenyi": "Nemenyi",
    "reference": "against the reference, Holm",
}


def table(overall: Overall, alpha: float, digits: int | None = None) -> Grid:
    """One field of memories, best mean rank first, with its omnibus test below.

    Args:
        overall: The field.
        alpha: Level at which a memory is marked as different from the reference.
        digits: Decimal places; default 2 for ranks and 3 for scores.
    """
    entrants = overall.entrants
    standing = placed(entrants)
    columns = [
        Column("memory", tuple(Cell(e.label) for e in entrants), numeric=False),
        Column("mean rank ↓", tuple(mean_rank(e, standing, digits) for e in entrants)),
    ]
    letters = letters_of(overall)
    if letters:
        texts = tuple(Cell(letters.get(e.label, "")) for e in entrants)
        columns.append(Column("groups", texts, numeric=False))
    if overall.posthoc == "reference" and overall.pairs:
        columns.append(_against_reference(overall, alpha))
    columns += _scores(overall, digits)
    if any(entrant.incomplete for entrant in entrants):
        columns.append(
            Column(
                "incomplete", tuple(Cell(str(e.incomplete), value=e.incomplete) for e in entrants)
            )
        )
    rows = f"{len(overall.rows)} {overall.by}{'s' * (len(overall.rows) != 1)}"
    title = f"Over the suite: {len(entrants)} memories, {rows} ({SCOPES[overall.scope]})"
    return grid_of(title, columns, wide="split", notes=_notes(overall, letters))


def placed(entrants: Sequence[Entrant]) -> Mapping[str, Standing]:
    """Who has the best and the second best mean rank; nobody with an incomplete cell."""
    ranks = {e.label: e.mean_rank for e in entrants if not e.incomplete}
    if len(ranks) < 2:
        return {}
    best = min(ranks.values())
    first = [label for label, rank in ranks.items() if rank - best <= TIE * best]
    found: dict[str, Standing] = dict.fromkeys(first, "best")
    if len(first) == 1:
        second = min(rank for label, rank in ranks.items() if label not in found)
        for label, rank in ranks.items():
            if label not in found and rank - second <= TIE * second:
                found[label] = "second"
    return found


def mean_rank(
    entrant: Entrant, standing: Mapping[str, Standing], digits: int | None = None
) -> Cell:
    """A mean rank, the best and second best standing out."""
    place = standing.get(entrant.label, "")
    return Cell(
        write.number(entrant.mean_rank, RANK_DECIMALS if digits is None else digits),
        bold=place == "best",
        underline=place == "second",
        value=entrant.mean_rank,
    )


def score(estimate: Estimate | None, digits: int | None = None, *, bare: bool = False) -> Cell:
    """A score with its interval, if it has one and is not to stand bare."""
    if estimate is None:
        return Cell("-")
    decimals = _decimals(estimate) if digits is None else digits
    text = write.number(estimate.value, decimals)
    if estimate.interval is not None and not bare:
        text += " " + brackets(estimate.interval, decimals)
    return Cell(text, value=estimate.value)


def _decimals(estimate: Estimate) -> int:
    """Decimal places that the width of the interval supports."""
    found = estimate.interval
    spread = None if found is None else (found.hi - found.lo) / 2
    return min(SCORE_DECIMALS, write.decimals_of(spread, None)) if spread else SCORE_DECIMALS


def letters_of(overall: Overall) -> dict[str, str]:
    """The letters of each memory: two that share one are not separated.

    The letter display of all maximal sets (Piepho 2004), a = the set of the best; one that is
    separated from all others has a letter to itself. Empty where no pair was tested.
    """
    if not overall.pairs or overall.posthoc == "reference":
        return {}
    found: dict[str, str] = {entrant.label: "" for entrant in overall.entrants}
    place = {label: i for i, label in enumerate(found)}
    grouped = set().union(*overall.groups)
    alone = [(label,) for label in found if label not in grouped]
    sets = sorted([*overall.groups, *alone], key=lambda group: min(place[x] for x in group))
    for i, group in enumerate(sets):
        for label in group:
            found[label] += _letter(i)
    return found


def _letter(i: int) -> str:
    """a, b, ..., z, a1, b1, ..."""
    round_, place = divmod(i, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(round_) if round_ else "")


def _against_reference(overall: Overall, alpha: float) -> Column:
    """The corrected p of each memory's ranks against those of the reference."""
    ranks = {entrant.label: entrant.mean_rank for entrant in overall.entrants}
    reference = overall.reference or ""
    tested = {
        (pair.label if pair.against == reference else pair.against): pair.p_adjusted
        for pair in overall.pairs
    }
    cells = []
    for label, rank in ranks.items():
        p = tested.get(label)
        if p is None:
            cells.append(Cell("-"))
            continue
        mark: Sign = "better" if rank < ranks[reference] else "worse"
        cells.append(Cell(write.p_value(p), marks=(mark,) if p < alpha else (), value=p))
    return Column(f"p vs {reference} (Holm)", tuple(cells))


def _scores(overall: Overall, digits: int | None) -> list[Column]:
    entrants = overall.entrants
    versus = f"P(better than {overall.reference})"
    scores: list[tuple[str, list[Estimate | None]]] = [
        ("win rate ↑", [e.win_rate for e in entrants]),
        ("skill ↑", [e.skill for e in entrants]),
        ("IQM ↑", [e.iqm for e in entrants]),
        ("optimality gap ↓", [e.optimality_gap for e in entrants]),
        (versus, [e.improvement for e in entrants]),
    ]
    return [
        Column(_head(name, found), tuple(score(estimate, digits) for estimate in found))
        for name, found in scores
        if any(estimate is not None for estimate in found)
    ]


def _head(name: str, found: Sequence[Estimate | None]) -> str:
    bracketed = any(estimate is not None and estimate.interval for estimate in found)
    return f"{name} [95% CI]" if bracketed else name


def _notes(overall: Overall, letters: Mapping[str, str]) -> list[str]:
    found = []
    test = overall.omnibus
    p = f"p = {write.p_value(test.p)}".replace("= <", "< ")
    k, n = len(overall.entrants), len(overall.rows)
    found.append(f"Whether all memories rank alike: {p} ({TESTS[test.method]}, k = {k}, N = {n}).")
    if letters:
        found.append(
            f"Memories that share a letter are not separated ({PAIRWISE[overall.posthoc]})."
        )
    if overall.critical_difference is not None:
        cd = write.number(overall.critical_difference, RANK_DECIMALS)
        found.append(f"Mean ranks further apart than {cd} differ (Nemenyi).")
    return found
