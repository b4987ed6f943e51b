"""Where blocks run: in this process, or in worker processes of this machine.

Both places take blocks and hand back results as they finish; writing stays with the caller. A
worker that takes too long or dies costs its block only: the lanes are tried again alone, and what
still fails is a record.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from bench.block import Block, BlockResult, Report, failed, run_block

POLL_S = 0.2
"""Seconds between two looks at the workers' progress."""
_progress: Any = None


class Executor(ABC):
    """A place where blocks run."""

    @abstractmethod
    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        """Results as they finish, in any order.

        Args:
            blocks: What to run.
            report: Receives (block key, done, total) now and then.
        """


class InProcess(Executor):
    """One block after another, here: for debugging, and where no time limit is asked for."""

    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        """Results in the order of the blocks."""
        for block in blocks:
            yield run_block(block, report)


class Workers(Executor):
    """Worker processes, each with one torch thread.

    Args:
        jobs: How many.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, blocks: Sequence[Block], report: Report) -> Iterator[BlockResult]:
        """Results as workers finish; a block over its time is killed with its worker."""
        from pebble import ProcessPool

        context = multiprocessing.get_context("spawn")
        channel = context.Queue()
        pool: Any = ProcessPool(
            max_workers=min(self.jobs, len(blocks)),
            initializer=_start_worker,
            initargs=(channel,),
            context=context,
        )
        waiting: dict[Future[BlockResult], Block] = {}

        def submit(block: Block) -> None:
            waiting[pool.schedule(_work, args=(block,), timeout=block.timeout_s)] = block

        try:
            for block in blocks:
                submit(block)
            while waiting:
                done, _ = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                _drain(channel, report)
                for future in done:
                    block = waiting.pop(future)
                    result, again = _settle(future, block)
                    for alone in again:
                        submit(alone)
                    if result is not None:
                        yield result
            pool.close()
        finally:
            pool.stop()
            pool.join()
            channel.close()


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
    """Prepare a worker: one thread, interrupts left to the parent, torch already imported."""
    global _progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    _progress = channel


def _work(block: Block) -> BlockResult:
    from bench import plugins
    from bench.errors import MembError

    if wrong := plugins.load(block.plugins, entry_points=False):
        raise MembError(wrong)

    def report(key: str, done: int, total: int) -> None:
        if _progress is not None and (done % 100 == 0 or done == total):
            _progress.put((key, done, total))

    return run_block(block, report)
