"""In what the published code of HPM and its corrected form differ, all in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Variant: TypeAlias = Literal["corrected", "source"]
Balance: TypeAlias = Literal["batch", "source"]
Scope: TypeAlias = Literal["selected", "all"]
SingleWeight: TypeAlias = Literal["prob", "one"]
FreezeMode: TypeAlias = Literal["hard", "grad-only"]
DynInit: TypeAlias = Literal["identity", "default"]
DynScale: TypeAlias = Literal["cos-tau", "sqrt-d"]


@dataclass(frozen=True)
class Behaviour:
    """How HPM does what its published code and its design disagree on.

    Attributes:
        balance: ``batch``, a loss of the current batch with a gradient; ``source``, sums over the
            epoch, detached and so without effect on training, of soft weights divided by k.
        xattn_scope: Banks that cross-attention sees: those a query was sent to, or all.
        k1_weight: Weight of the one bank of k = 1: its probability, which teaches the router, or
            the constant one.
        mask_empty: Whether empty dynamic banks are left out, as long as k banks remain.
        freeze_mode: ``hard``, frozen primitives keep their bits; ``grad-only``, they lose their
            gradient, but momentum and weight decay move them on.
        freeze_monotone: Whether what is frozen stays so, up to a largest share of each level.
        dyn_init: Start of the dynamic banks' query map: identity, or uniform as `torch.nn.Linear`.
        dyn_scale: Logits of retrieved events: cosine over a temperature, or the mapped query's
            product with the key over sqrt(D).
        exclude_self: Whether an event can be kept from answering its own query.
    """

    balance: Balance = "batch"
    xattn_scope: Scope = "selected"
    k1_weight: SingleWeight = "prob"
    mask_empty: bool = True
    freeze_mode: FreezeMode = "hard"
    freeze_monotone: bool = True
    dyn_init: DynInit = "identity"
    dyn_scale: DynScale = "cos-tau"
    exclude_self: bool = True

    @classmethod
    def of(cls, variant: Variant, **flags: Any) -> Behaviour:
        """That of a variant, with the flags that are not None in place of its own."""
        given = {name: value for name, value in flags.items() if value is not None}
        return replace(VARIANTS[variant], **given)


VARIANTS: Mapping[Variant, Behaviour] = {
    "corrected": Behaviour(),
    "source": Behaviour(
        balance="source",
        xattn_scope="all",
        k1_weight="one",
        mask_empty=False,
        freeze_mode="grad-only",
        freeze_monotone=False,
        dyn_init="default",
        dyn_scale="sqrt-d",
        exclude_self=False,
    ),
}
"""The two forms by the word a suite uses."""
