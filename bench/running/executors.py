"""Where blocks run: in this process, or in worker processes of this machine.

Both places take blocks and hand back results as they finish; writing stays with the caller. A
worker that takes too long or dies costs its block only: the lanes are tried again alone, and what
still fails is a record.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import queue
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from bench.running.block import Block, BlockResult, Report, failed, run_block

POLL_S = 0.2
"""Seconds between two looks at the workers' progress."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of two options in glibc's malloc.h."""
_progress: Any = None


class Executor(ABC):
    """A place where blocks run."""

    @abstractmethod
    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        """Results as they finish, in any order; may be called again until `close`.

        Args:
            blocks: What to run.
            report: Receives (block key, done, total) now and then.
        """

    @abstractmethod
    def close(self) -> None:
        """End what was started; unfinished work is dropped."""


class InProcess(Executor):
    """One block after another, here: for debugging, and where no time limit is asked for."""

    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        """Results in the order of the blocks, computed by one torch thread as in a worker."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for block in blocks:
                yield run_block(block, report)
        finally:
            torch.set_num_threads(threads)

    def close(self) -> None:
        """Nothing was started."""


class Workers(Executor):
    """Worker processes, each with one torch thread.

    Args:
        jobs: How many.
    """

    def __init__(self, jobs: int) -> None:
        from pebble import ProcessPool

        context = multiprocessing.get_context("spawn")
        self._channel = context.Queue()
        self._pool: Any = ProcessPool(
            max_workers=jobs,
            initializer=_start_worker,
            initargs=(self._channel,),
            context=context,
        )

    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        """Results as workers finish; a block over its time is killed with its worker."""
        waiting: dict[Future[BlockResult], Block] = {}

        def submit(block: Block) -> None:
            waiting[self._pool.schedule(_work, args=(block,), timeout=block.timeout_s)] = block

        for block in blocks:
            submit(block)
        while waiting:
            done, _ = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            _drain(self._channel, report)
            for future in done:
                block = waiting.pop(future)
                result, again = _settle(future, block)
                for alone in again:
                    submit(alone)
                if result is not None:
                    yield result

    def close(self) -> None:
        """Stop all workers at once."""
        self._pool.stop()
        self._pool.join()
        self._channel.close()


def _settle(future: Future[BlockResult], block: Block) -> tuple[BlockResult | None, list[Block]]:
    """The result of a finished future, or the lanes to try alone."""
    from concurrent.futures import TimeoutError as OutOfTime

    from pebble import ProcessExpired

    try:
        return future.result(), []
    except OutOfTime:
        status, message = "timeout", f"not done after {block.timeout_s:g} s"
    except ProcessExpired as dead:
        killed = dead.exitcode == -signal.SIGKILL
        status = "oom" if killed else "error"
        message = (
            "the worker was killed (SIGKILL), most often for want of memory"
            if killed
            else f"the worker died with exit code {dead.exitcode}"
        )
    if len(block.seeds) > 1:
        return None, block.alone()
    return BlockResult(block, [failed(block, status, message)]), []


def _drain(channel: Any, report: Report) -> None:
    while True:
        try:
            report(*channel.get_nowait())
        except queue.Empty:
            return


def _start_worker(channel: Any) -> None:
    """Prepare a worker: one torch thread, interrupts left to the parent, no life without it."""
    global _progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    _keep_freed_memory()
    import torch

    import bench.running.workbench  # noqa: F401 - a block's time limit is for its work, not for imports

    torch.set_num_threads(1)
    _progress = channel


def _die_with_parent() -> None:
    """End this process when its parent is gone: a parent that was killed ends no worker."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _keep_freed_memory() -> None:
    """Have glibc reuse freed memory instead of handing it back to the system.

    Lanes allocate tensors of the same sizes again and again; paging them in anew took half of the
    time of `capacity` with slot memories.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _work(block: Block) -> BlockResult:
    from bench import plugins
    from bench.errors import MembError

    if wrong := plugins.load(block.plugins, entry_points=False):
        raise MembError(wrong)

    def report(key: str, done: int, total: int) -> None:
        if _progress is not None and (done % 100 == 0 or done == total):
            _progress.put((key, done, total))

    return run_block(block, report)
