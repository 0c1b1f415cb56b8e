"""Runs claims in processes of their own, so that one that hangs or dies is only one.

Each worker starts as a new interpreter: no solver, no hash seed and no switched
contract of the calling process reaches into a proof. A claim that overruns its limit
is stopped with its process, solver and all.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, TimeoutError, wait
from functools import lru_cache
from multiprocessing import connection
from typing import Any

from pebble import ProcessExpired, ProcessPool

from .claim import Claim, every_claim
from .engines import Options
from .prover import Result, failed, prove
from .verdict import Verdict

LOOK_EVERY = 0.2
"""How long it may take until a run that is over ends, in seconds."""


@lru_cache(maxsize=1)
def _claims() -> dict[str, Claim]:
    return {claim.id: claim for claim in every_claim()}


def _prove(id: str, options: Options, engines: Sequence[str] | None) -> Result:
    return prove(_claims()[id], options, engines)


def _end_with_the_caller() -> None:
    """Let a worker end when the process that started it has, however that came about."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(
    claims: Sequence[Claim],
    options: Options,
    engines: Sequence[str] | None = None,
    jobs: int = 1,
    is_over: Callable[[], bool] = bool,
) -> Iterator[Result]:
    """Prove the claims, so many at a time, and yield the results as they come.

    Each claim gets exactly one result; the claims that look most costly start first. When
    ``is_over`` says so, no more are waited for.
    """
    # A contract that raises would hide from a claim what the code does, so the code runs
    # as it is shipped. Workers take the setting from the environment that they start in.
    before = os.environ.get("VERIFIED_CONTRACTS")
    os.environ["VERIFIED_CONTRACTS"] = "0"
    context: Any = multiprocessing.get_context("spawn")
    pool: Any = ProcessPool(max_workers=jobs, initializer=_end_with_the_caller, context=context)
    try:
        pending: dict[Future[Result], Claim] = {
            pool.schedule(_prove, args=(claim.id, options, engines), timeout=_limit(options)): claim
            for claim in sorted(claims, key=lambda c: ("symbolic" not in c.engines, c.id))
        }
        while pending and not is_over():
            # What is raised amid a wait, as Ctrl-C is, would leave locks that stop needs.
            done, _ = wait(pending, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            for future in done:
                yield _result(future, pending.pop(future), options)
    finally:
        pool.stop()
        pool.join()
        if before is None:
            del os.environ["VERIFIED_CONTRACTS"]
        else:
            os.environ["VERIFIED_CONTRACTS"] = before


def _limit(options: Options) -> float:
    # A claim is first proved, then tried on mutants, each within the time of an engine;
    # the first claim of a worker also waits for the worker to start.
    return 2 * options.timeout + 15


def _result(future: Future[Result], claim: Claim, options: Options) -> Result:
    try:
        return future.result()
    except TimeoutError:
        reason = f"stopped after {_limit(options):g} s"
        return failed(claim, Verdict.UNKNOWN, reason, _limit(options))
    except (ProcessExpired, CancelledError) as error:
        return failed(claim, Verdict.ERROR, f"its process died: {error}")
    except Exception as error:
        return failed(claim, Verdict.ERROR, f"{type(error).__name__}: {error}")
