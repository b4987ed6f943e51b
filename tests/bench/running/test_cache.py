from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.errors import StorageError
from bench.running.cache import Cache, canonical, digest

KEY = {"made": "pre-trained backbone", "backbone": "dlinear", "horizon": 4}


class Builder:
    """Builds tensors that tell their seed, and counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, seeds: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        self.asked.append(list(seeds))
        return {seed: {"weight": torch.full((2, 3), float(seed)).T} for seed in seeds}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "shared")


def weights(found: dict[int, dict[str, Tensor]]) -> dict[int, float]:
    return {seed: float(tensors["weight"].mean()) for seed, tensors in found.items()}


def test_what_was_built_is_not_built_again(cache: Cache) -> None:
    build = Builder()
    first = cache.get(KEY, [1, 0], build)
    again = Cache(cache.root).get(KEY, [0, 1], build)
    assert build.asked == [[1, 0]]
    assert weights(first) == weights(again) == {0: 0.0, 1: 1.0}
    torch.testing.assert_close(again[1]["weight"], first[1]["weight"], rtol=0, atol=0)


def test_only_the_seeds_that_are_not_there_are_built(cache: Cache) -> None:
    build = Builder()
    cache.get(KEY, [0, 1], build)
    assert weights(cache.get(KEY, [0, 1, 2, 3], build)) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}
    assert weights(cache.get(KEY, [3], build)) == {3: 3.0}
    assert build.asked == [[0, 1], [2, 3]]


def test_another_key_is_another_entry(cache: Cache) -> None:
    build = Builder()
    cache.get(KEY, [0], build)
    cache.get(KEY | {"horizon": 8}, [0], build)
    assert build.asked == [[0], [0]]
    assert len(cache.entries()) == 2


def test_a_build_that_fails_leaves_nothing(cache: Cache) -> None:
    def fail(seeds: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get(KEY, [0], fail)
    assert cache.entries() == []
    build = Builder()
    cache.get(KEY, [0], build)
    assert build.asked == [[0]]


def test_a_file_cut_short_is_built_again(cache: Cache) -> None:
    cache.get(KEY, [0, 1], Builder())
    (file,) = cache.root.glob("*/seeds-*.safetensors")
    file.write_bytes(file.read_bytes()[:-5])
    build = Builder()
    assert weights(cache.get(KEY, [0, 1], build)) == {0: 0.0, 1: 1.0}
    assert build.asked == [[0, 1]]
    assert weights(cache.get(KEY, [1], build)) == {1: 1.0}
    assert len(build.asked) == 1


def test_two_that_want_the_same_build_it_once(cache: Cache) -> None:
    build = Builder()

    def slow(seeds: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        time.sleep(0.2)
        return build(seeds)

    with ThreadPool(2) as pool:
        found = pool.map(lambda _: Cache(cache.root).get(KEY, [5], slow), range(2))
    assert build.asked == [[5]]
    assert [weights(each) for each in found] == [{5: 5.0}] * 2


def test_a_full_disk_is_a_storage_error_and_leaves_no_half(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            cache.get(KEY, [0], Builder())
    assert "XDG_CACHE_HOME" in caught.value.render()
    build = Builder()
    cache.get(KEY, [0], build)
    assert build.asked == [[0]]


def test_a_cache_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write to the cache"):
        Cache(tmp_path / "file" / "shared").get(KEY, [0], Builder())


def test_entries_say_what_they_hold_most_recently_used_first(cache: Cache) -> None:
    cache.get(KEY, [0, 2], Builder())
    cache.get(KEY | {"horizon": 8}, [1], Builder())
    for folder, used in zip(sorted(cache.root.iterdir()), (1e9, 2e9), strict=True):
        os.utime(folder, (used, used))
    newest, oldest = cache.entries()
    assert (newest.used, oldest.used) == (2e9, 1e9)
    held = {entry.subject: entry.seeds for entry in (newest, oldest)}
    assert held == {"backbone=dlinear horizon=4": (0, 2), "backbone=dlinear horizon=8": (1,)}
    assert newest.bytes > 24  # 6 floats and a header


def test_use_counts_as_use(cache: Cache) -> None:
    cache.get(KEY, [0], Builder())
    (folder,) = cache.root.iterdir()
    os.utime(folder, (1e9, 1e9))
    cache.get(KEY, [0], Builder())
    assert cache.entries()[0].used > 1e9


def test_pruning_deletes_what_was_not_used_lately(cache: Cache) -> None:
    cache.get(KEY, [0], Builder())
    cache.get(KEY | {"horizon": 8}, [0], Builder())
    old = cache.root / digest(KEY)
    os.utime(old, (1e9, 1e9))
    gone = cache.prune(older_than_s=60, now=1e9 + 60)
    assert [entry.name for entry in gone] == [old.name]
    assert [entry.key["horizon"] for entry in cache.entries()] == [8]
    assert len(cache.prune(older_than_s=0, now=time.time())) == 1
    assert cache.entries() == []


def test_an_empty_cache_has_no_entries(tmp_path: Path) -> None:
    assert Cache(tmp_path / "nowhere").entries() == []


def test_keys_depend_on_content_not_on_order() -> None:
    assert canonical({"b": 1, "a": [1.0, None]}) == '{"a":[1.0,null],"b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1}) != digest({"a": 2, "b": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))
