"""What a console makes of a part."""

from __future__ import annotations

import io

from rich.console import Console

from tasks.samples.sample import Part


def drawn(part: Part, *, width: int = 80, encoding: str = "utf-8", colours: bool = False) -> str:
    """The text, without blanks at the ends of lines unless it has colours."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    console = Console(
        file=file,
        width=width,
        force_terminal=colours,
        color_system="truecolor" if colours else None,
    )
    console.print(part)
    file.seek(0)
    text = file.read()
    return text if colours else "".join(f"{line.rstrip()}\n" for line in text.splitlines())
