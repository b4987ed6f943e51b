"""What `memb audit` prints, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch

from bench import console
from bench.audit import audit
from bench.audit.run import assignments

SCHEMA = "memb-audit/1"
WORDS = {"held": "ok", "broken": "BROKEN"}


def audit_memory(name: str, set_: Sequence[str], backbone: str | None, *, json_: bool) -> int:
    """Try every law on a memory and print the verdicts: 1 if one is broken, else 0."""
    torch.set_num_threads(1)
    done = audit(name, assignments(set_), backbone=backbone)
    if json_:
        console.print_json({"schema": SCHEMA, **asdict(done), "held": done.held})
        return 0 if done.held else 1
    where = f", on {done.backbone}" if done.backbone else ""
    console.print_table(
        f"{done.memory} ({done.protocol}{where})",
        ("verdict", "law", "claim", "detail"),
        ((WORDS.get(v.outcome, "n/a"), v.law, v.claim, v.detail) for v in done.verdicts),
    )
    if done.note:
        console.note(done.note)
    broken = sum(v.outcome == "broken" for v in done.verdicts)
    console.note(f"{broken} broken" if broken else "every law held")
    return 0 if done.held else 1
