"""Options of H-Mem that contradict each other, or that nothing would read: refused by name.

An option that changes nothing is refused so that no ablation compares a thing with itself. A stage
that is off as a whole takes its options with it: these are no contradiction.
"""

from __future__ import annotations

from typing import Literal

from memories.base import InvalidParameter
from memories.forecasters.hmem.adapter import Adapter
from memories.forecasters.hmem.buckets import BucketMode
from memories.forecasters.hmem.key_encoder import Pooling, Positions
from memories.forecasters.hmem.snma import SNMA, Surprise, Update
from memories.slots.bank_presets import Preset


def refuse_unread(message: str, help: str, **given: bool) -> None:
    """Nothing, if none of these options is given.

    Args:
        message: Why they would change nothing.
        help: What to do about it.
        given: Whether each was set to something else than its default.

    Raises:
        InvalidParameter: Of the first one given.
    """
    for name, is_given in given.items():
        if is_given:
            raise InvalidParameter(name, message, help)


def check_snma(
    surprise: Surprise,
    update: Update,
    *,
    momentum_given: bool,
    smooth_form: str,
    scales: bool,
    combine: str,
) -> None:
    """Refuse what SNMA would not read; what it cannot do it refuses itself."""
    if surprise == "ar" and update != "gated-momentum":
        message = f"is read neither by surprise 'ar' nor by update '{update}'"
        refuse_unread(message, "leave it as it is", momentum=momentum_given)
    if update != "smoothed":
        given = {"smooth_form": smooth_form != "sigmoid"}
        refuse_unread("is the form of another update", "set update: smoothed", **given)
    if not scales:
        given = {"combine": combine != "concat"}
        refuse_unread("combines memories of several scales", "set scales: true", **given)


def check_key_encoder(kind: str, *, pos: Positions, pooling: Pooling, pad: str) -> None:
    """Refuse settings of another key encoder."""
    if kind != "pooled":
        given = {"pos": pos != "input", "pooling": pooling != "mean"}
        refuse_unread("belongs to the pooled key encoder", "set key_encoder: pooled", **given)
    if kind != "flat":
        given = {"pad": pad != "horizon"}
        refuse_unread("belongs to the flat key encoder", "set key_encoder: flat", **given)


def check_entries(needed: int, kept: int) -> None:
    """Refuse to wait for more errors than are ever kept."""
    if needed > kept:
        raise InvalidParameter(
            "min_entries",
            f"must be <= the {kept} errors that are kept, or none is ever recalled, got {needed}",
            f"set min_entries to at most {kept}, or a larger capacity",
        )


def check_buckets(buckets: int, period: int, mode: BucketMode) -> None:
    """Refuse more buckets than a season has rows, and a way to fill a single one."""
    if buckets > period:
        raise InvalidParameter(
            "buckets", f"must be <= the {period} rows of a season, got {buckets}"
        )
    if buckets == 1:
        given = {"bucket_mode": mode != "daypart"}
        refuse_unread("has nothing to share out to one bucket", "set buckets above 1", **given)


def check_search(
    settings: Preset, *, adaptive: bool, aggregate: bool, temperature: bool, importance: bool
) -> None:
    """Refuse settings of the error bank that its other settings overrule.

    Args:
        settings: What the bank is built with.
        adaptive: Whether learned attention weights what is recalled.
        aggregate: Whether this was given; so for the next two.
        temperature: Of the softmax.
        importance: Whether all events are to be alike.
    """
    if adaptive:
        refuse_unread("gives way to learned attention", "leave it null", aggregate=aggregate)
    elif settings.aggregate not in ("softmax", "blend"):
        message = f"is read by no aggregate '{settings.aggregate}'"
        refuse_unread(message, "leave it null", temperature=temperature)
    if settings.evict_weights[0] == 0:
        message = "counts for nothing with these evict_weights"
        refuse_unread(message, "leave it at raw", importance=importance)


def check_centering(settings: Preset, *, center_keys: bool) -> None:
    """Refuse to move keys that are not compared."""
    if settings.similarity == "recency":
        message = f"moves keys, which similarity '{settings.similarity}' ignores"
        refuse_unread(message, "leave it false", center_keys=center_keys)


def check_memories(
    adapter: Adapter,
    pairing: Literal["exact", "shifted"],
    replay: Literal["masked", "cached"] | None,
    *,
    timed: bool,
) -> None:
    """Refuse a forecaster without a memory, and replays that its memories cannot give.

    Args:
        adapter: Both stages.
        pairing: Whose target a stored forecast meets.
        replay: What a replay recalls.
        timed: Whether the store can be read as it was.
    """
    chrc = adapter.chrc
    if adapter.snma is None and chrc is None:
        raise InvalidParameter(
            "chrc", "nothing is left with snma off as well", "the memory 'frozen' is that"
        )
    if chrc is not None and not timed and replay == "masked":
        raise InvalidParameter(
            "replay",
            "'masked' reads the error bank as it was, which no other memory can do",
            "leave it null, or set bank: null",
        )
    if chrc is not None and chrc.adaptive is not None and replay == "cached":
        raise InvalidParameter(
            "replay", "'cached' keeps no keys, which adaptive retrieval learns from"
        )
    if chrc is not None and chrc.encoder is None and pairing == "shifted":
        raise InvalidParameter("pairing", "'shifted' needs a key encoder of its own, not SNMA's")


def check_learning(
    snma: SNMA | None,
    surprise_loss_weight: float,
    warmup_steps: int,
    warmup_chrc: Literal["off", "frozen"],
) -> None:
    """Refuse settings of a loss or of a warm-up that there is not."""
    if snma is None or not snma.encoder.learns_surprise:
        given = {"surprise_loss_weight": surprise_loss_weight > 0}
        help = "set it to 0, or snma: true with surprise: recon or ar"
        refuse_unread("weighs a loss, and no weights measure the surprise", help, **given)
    if warmup_steps == 0:
        given = {"warmup_chrc": warmup_chrc != "off"}
        refuse_unread("belongs to a warm-up, and there is none", "set warmup_steps", **given)
