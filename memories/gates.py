"""What stands in for a memory's own strength or decay while a layer around it gives gates."""

from __future__ import annotations

from torch import Tensor

from memories.base import AssociativeMemory, Gates, InvalidParameter


def gate(memory: AssociativeMemory, gates: Gates | None, name: str, otherwise: Tensor) -> Tensor:
    """The gate [N] of that name where it is given, else the memory's own scalar.

    Raises:
        InvalidParameter: If any gate is given that the memory does not take.
    """
    if unknown := sorted(set(gates or {}) - memory.takes_gates):
        raise InvalidParameter(
            "gates",
            f"{type(memory).__name__} takes no gate {', '.join(unknown)}",
            f"it takes {', '.join(sorted(memory.takes_gates)) or 'none'}",
        )
    return otherwise if gates is None else gates.get(name, otherwise)
