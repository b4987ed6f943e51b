"""The committed leaderboard: one page per suite and an index of them, written from records.

python -m bench.leaderboard                          # pages and index from results/records
python -m bench.leaderboard results/etth1            # a page of a run whose data are not free
python -m bench.leaderboard --check                  # exit 1 if what is committed is stale
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import console
from bench.errors import MembError
from bench.in_words import listed

RECORDS, PAGES, INDEX = "records", "reference", "README.md"
"""Names below the root: slim runs by suite, one page per suite, the index."""

_HEAD = """\
# {suite}

{asks}

{finding}

{run}

"""
_FROM_RECORDS = "Written by `make leaderboard` from the records in [{path}](../{path})."
_FROM_RUN = (
    "Written by `make reference` from a run of `suites/{name}.yaml`. Its data are licensed and not "
    "part of memb, so its records are not here."
)
_INDEX = """\
# Leaderboard

What each suite finds, from committed records: `make leaderboard` writes this page and the tables
it leads to, and a test fails where they are stale. A finding is what a corrected test backs; its
page has all numbers, intervals, tests and failures, what recall costs, and the machine of the run.
`memb compare results/records/<suite>` prints the same tables in any format.

| suite | asks | finds | run |
|---|---|---|---|
{rows}
"""
_LICENSED = """
The data of {suites} are licensed and not part of memb, and neither are records made from them.
Where the data are (`memb data list`), these pages are written by
`make reference REFERENCE= LICENSED="{words}"`.
"""


@dataclass(frozen=True)
class Page:
    """The page of one suite.

    Attributes:
        suite: Its name.
        asks: What the suite asks.
        finding: What it found, in one sentence with the test behind it.
        run: When and with what it was run.
        source: Where the page comes from.
        tables: Leaderboards and trade-offs, Markdown.
    """

    suite: str
    asks: str
    finding: str
    run: str
    source: str
    tables: str

    def text(self) -> str:
        """The page as a Markdown file."""
        return _HEAD.format(**vars(self)) + f"{self.source}\n\n{self.tables}"

    @staticmethod
    def parse(text: str) -> Page:
        """The page a file holds, as `text` wrote it.

        Raises:
            MembError: If it is not such a page.
        """
        parts = text.split("\n\n", 5)
        known = len(parts) == 6 and parts[0].startswith("# ")
        if not known or not parts[4].startswith("Written by `make "):
            raise MembError(
                f"not a page of the leaderboard: it begins with {text[:40]!r}",
                help="write it again with 'python -m bench.leaderboard RUN'",
            )
        return Page(parts[0].removeprefix("# "), *parts[1:])


def page(run: Path, *, records: str = "") -> Page:
    """The page of a run.

    Args:
        run: Its folder.
        records: Where its records are committed, below the root; empty if they are not.
    """
    import bench.frame
    from bench.compare import compare
    from bench.compare.pareto import fronts
    from bench.headline import headline
    from bench.store import RunFolder
    from bench.tables import markdown, pareto

    frame = bench.frame.load([run])
    comparison = compare(frame)
    suite = RunFolder(run).manifest()["calls"][-1]["suite"]
    costs = pareto.render(fronts(frame), "markdown")
    source = _FROM_RECORDS.format(path=records) if records else _FROM_RUN.format(**suite)
    return Page(
        suite=suite["name"],
        asks=_paragraph(suite["description"]) or "Not said.",
        finding=_paragraph(headline(comparison)),
        run=_run(comparison.runs),
        source=source,
        tables=f"{markdown.render(comparison)}\n## Against cost\n\n{costs}",
    )


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def _run(runs: Sequence[Mapping[str, Any]]) -> str:
    """``2026-11-22, git 19a26a45fd86, memb 0.1.0, torch 2.13.0+cpu``, once per kind."""
    found = [
        ", ".join(
            [
                str(run["started"]).partition("T")[0],
                *([f"git {run['git']['commit'][:12]}"] if run.get("git") else []),
                f"memb {run['memb']}",
                f"torch {run['torch']}",
            ]
        )
        for run in runs
    ]
    return "; ".join(dict.fromkeys(found))


def built(root: Path) -> Iterator[Page]:
    """The pages of all committed records, by name."""
    for manifest in sorted((root / RECORDS).glob("*/manifest.json")):
        run = manifest.parent
        yield page(run, records=f"{RECORDS}/{run.name}")


def kept(root: Path, built_from_records: Sequence[Page]) -> list[Page]:
    """Pages that stand as they are, because their records may not be committed."""
    made = {page.suite for page in built_from_records}
    files = sorted((root / PAGES).glob("*.md"))
    return [Page.parse(file.read_text(encoding="utf-8")) for file in files if file.stem not in made]


def index(pages: Sequence[Page], licensed: Sequence[Page]) -> str:
    """The index of all pages, by name."""
    rows = [
        f"| [{p.suite}]({PAGES}/{p.suite}.md) | {_cell(p.asks)} | {_cell(p.finding)} | {p.run} |"
        for p in sorted([*pages, *licensed], key=lambda p: p.suite)
    ]
    text = _INDEX.format(rows="\n".join(rows))
    if licensed:
        names = [p.suite for p in licensed]
        text += _LICENSED.format(suites=listed(names), words=" ".join(names))
    return text


def _cell(text: str) -> str:
    for character in ("|", "*", "_", "<", "~", "`"):
        text = text.replace(character, "\\" + character)
    return text


def files(root: Path) -> dict[Path, str]:
    """Every file of the leaderboard with the text it must have."""
    pages = list(built(root))
    found = {root / PAGES / f"{page.suite}.md": page.text() for page in pages}
    found[root / INDEX] = index(pages, kept(root, pages))
    return found


def stale(root: Path) -> list[Path]:
    """Files that are not as the records say."""
    return [
        file
        for file, text in files(root).items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]


def write(root: Path, runs: Sequence[Path]) -> list[Path]:
    """Write the pages of these runs, those of all committed records, and the index."""
    (root / PAGES).mkdir(parents=True, exist_ok=True)
    written = []
    for run in runs:
        made = page(run)
        file = root / PAGES / f"{made.suite}.md"
        file.write_text(made.text(), encoding="utf-8")
        written.append(file)
    for file, text in files(root).items():
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def main(words: Sequence[str] | None = None) -> int:
    """Write the leaderboard, or check it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.leaderboard", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="runs whose records are not committed")
    parser.add_argument("--root", type=Path, default=Path("results"), help="where it stands")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    given = parser.parse_args(words)
    try:
        if given.check:
            old = stale(given.root)
            for file in old:
                console.note(f"stale: {file}")
            return 1 if old else 0
        for file in write(given.root, given.runs):
            console.note(f"wrote {file}")
    except MembError as error:
        console.note(f"error: {error.render()}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
