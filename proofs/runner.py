"""Runs claims in processes of their own, so that one that hangs or dies is only one.

Each worker starts as a new interpreter: no solver, no hash seed and no switched
contract of the calling process reaches into a proof. A claim that overruns its limit
is stopped with its process, solver and all.

What an earlier run found out, and may stand for what this one would, is not found out again.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, TimeoutError, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import connection
from typing import Any, Final, Protocol
from unittest.mock import patch

from pebble import ProcessExpired, ProcessPool

from . import dependence, drawn, remembered
from .claim import Claim, every_claim
from .engines import Options
from .memory import Memory
from .planting import TooSlow
from .prover import Result, failed, prove
from .verdict import Verdict

LOOK_EVERY = 0.2
"""How long it may take until a run that is over ends, in seconds."""

SETTINGS: Final = {"VERIFIED_CONTRACTS": "0", "PYTHONSAFEPATH": "1"}
"""The environment in which workers start, besides that of the caller.

A contract that raises would hide from a claim what the code does, and what lies in the
working directory has no part in a proof.
"""


@dataclass(frozen=True)
class Task:
    """A claim to be proved in another process, and what is known of it already."""

    id: str
    options: Options
    engines: tuple[str, ...] | None
    limit: float
    """Seconds after which it is stopped."""
    bites: str | None = None
    place: drawn.Place | None = None


class NoCluster(Exception):
    """There is no cluster to prove on."""


class Limited(Protocol):
    """What another process is to do, and after how many seconds it is stopped."""

    @property
    def limit(self) -> float: ...


class OtherCode(Exception):
    """A worker of a cluster has other code than the one that asks it."""


Submit = Callable[[Callable[[Any], Any], Limited], Future[Any]]
"""Has another process call a function with a task."""


@lru_cache(maxsize=1)
def _claims() -> dict[str, Claim]:
    return {claim.id: claim for claim in every_claim()}


def _get_ready() -> None:
    """Import what proving needs, and never look through it for garbage."""
    _claims()
    gc.freeze()


def _prove(task: Task) -> Result:
    with drawn.remembered(task.place):
        return prove(_claims()[task.id], task.options, task.engines, task.bites)


def _begin() -> None:
    """Begin a worker, in which what a mutant logs that outlives its claim is nobody's concern."""
    logging.lastResort = logging.NullHandler()
    sys.unraisablehook = _is_raised_in_vain
    _end_with_the_caller()


def _is_raised_in_vain(raised: sys.UnraisableHookArgs) -> None:
    """Say what was raised where nobody can catch it, but not that a time is over.

    That is raised again, until it is caught.
    """
    if not isinstance(raised.exc_value, TooSlow):
        sys.__unraisablehook__(raised)


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
    memory: Memory | None = None,
    cluster: str | None = None,
) -> Iterator[Result]:
    """Prove the claims, so many at a time, and yield the results as they come.

    They are proved by processes of this machine, or by the workers of the Dask cluster whose
    scheduler has this address.

    Each claim gets exactly one result; the claims that took longest before start first, and
    those that look most costly. What is in the memory is not proved again. When
    ``is_over`` says so, no more are waited for.
    """
    # Processes start while this one looks up what is remembered.
    with workers(min(jobs, len(claims) or 1), cluster) as submit:
        dependence.remember_in(memory)
        known: list[Result] = []
        keys: dict[str, str] = {}
        tasks: list[tuple[Claim, Task]] = []
        blank = Task("", options, None if engines is None else tuple(engines), _limit(options))
        for claim in claims:
            key = None if memory is None else remembered.key(claim, options, engines)
            if memory is None or key is None:
                tasks.append((claim, replace(blank, id=claim.id)))
                continue
            earlier = remembered.recall(memory, claim, key)
            if earlier.result is not None:
                known.append(earlier.result)
                continue
            keys[claim.id] = key
            place = None if cluster is not None else place_of_inputs(memory, claim)
            tasks.append((claim, replace(blank, id=claim.id, bites=earlier.bites, place=place)))
        took = {c.id: _took(memory, c) for c, _ in tasks}
        tasks.sort(key=lambda t: (-took[t[0].id], "symbolic" not in t[0].engines, t[0].id))
        pending = {submit(_prove, task): claim for claim, task in tasks}
        yield from known
        for future in finished(pending, is_over):
            claim = pending[future]
            result = _result(future, claim, blank.limit)
            if memory is not None and claim.id in keys:
                remembered.remember(memory, keys[claim.id], result)
                memory.put("seconds", claim.id, str(result.seconds or 0.0).encode())
            yield result


def finished(pending: Iterable[Future[Any]], is_over: Callable[[], bool]) -> Iterator[Future[Any]]:
    """Those that are done, as they come, until ``is_over`` says that no more are waited for."""
    left = set(pending)
    while left and not is_over():
        # What is raised amid a wait, as Ctrl-C is, would leave locks that stop needs.
        done, left = wait(left, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
        yield from done


def place_of_inputs(memory: Memory, claim: Claim) -> drawn.Place:
    """Where the inputs of a claim are remembered."""
    return drawn.Place(memory, str(dependence.inputs()), str(dependence.digest(claim)))


def _took(memory: Memory | None, claim: Claim) -> float:
    """How long a claim took when it was last proved, in seconds; 0 if that is not known."""
    stored = None if memory is None else memory.get("seconds", claim.id)
    try:
        return float(stored or 0)
    except ValueError:
        return 0.0


@contextmanager
def interruptions() -> Iterator[list[int]]:
    """The signals that ask for an end, which do not end the process while this lasts."""
    found: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: found.append(number)) for number in numbers]
    try:
        yield found
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def workers(jobs: int, cluster: str | None) -> AbstractContextManager[Submit]:
    """So many processes of this machine, or the workers of the cluster with this address.

    :raises NoCluster: when it is entered, if there is no cluster.
    """
    return _processes(jobs) if cluster is None else _workers(cluster)


@contextmanager
def _processes(jobs: int) -> Iterator[Submit]:
    """So many processes of this machine, each of which ends when this one does."""
    # Workers take the setting from the environment that they start in.
    with patch.dict(os.environ, SETTINGS):
        pool = _pool(jobs)
        try:
            for _ in range(jobs):
                pool.schedule(_get_ready)
            yield lambda function, task: pool.schedule(function, args=(task,), timeout=task.limit)
        finally:
            pool.stop()
            pool.join()


def _pool(jobs: int) -> Any:
    context: Any = multiprocessing.get_context("spawn")
    return ProcessPool(max_workers=jobs, initializer=_begin, context=context)


@contextmanager
def _workers(address: str) -> Iterator[Submit]:
    """The workers of a Dask cluster.

    One that is lost is no loss: its claims go to others, as long as there are any.

    :raises NoCluster: if there is no scheduler at the address, or Dask is not installed.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ModuleNotFoundError:
        raise NoCluster("--dask needs `pip install 'verified-otlp[cluster]'`") from None
    try:
        client = distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NoCluster(f"there is no Dask scheduler at {address!r}: {error}") from None
    with client:
        executor = client.get_executor(pure=False)
        code = dependence.code()
        try:
            yield lambda function, task: executor.submit(apart, function, task, code)
        finally:
            executor.shutdown(wait=False)


@lru_cache(maxsize=1)
def _pool_of_this_worker() -> Any:
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            "a worker of Dask that may start no processes cannot stop a claim that hangs: start "
            "it with --no-nanny, or with DASK_DISTRIBUTED__WORKER__DAEMON=False"
        )
    os.environ.update(SETTINGS)
    pool = _pool(os.cpu_count() or 1)
    atexit.register(pool.stop)
    return pool


def apart(function: Callable[[Any], Any], task: Limited, code: str) -> Any:
    """Call a function in a process beside this one, as a worker of a cluster does.

    :raises OtherCode: if the code and tools here have another digest.
    """
    if code != dependence.code():
        raise OtherCode(
            "the worker has other code, data, Python or tools than the one that asks it"
        )
    return _pool_of_this_worker().schedule(function, args=(task,), timeout=task.limit).result()


def _limit(options: Options) -> float:
    # A claim is first proved, then tried on mutants, each within the time of an engine;
    # the first claim of a worker also waits for the worker to start.
    return 2 * options.timeout + 15


def _result(future: Future[Result], claim: Claim, limit: float) -> Result:
    try:
        return future.result()
    except TimeoutError:
        return failed(claim, Verdict.UNKNOWN, f"stopped after {limit:g} s", limit)
    except (ProcessExpired, CancelledError) as error:
        return failed(claim, Verdict.ERROR, f"its process died: {error}")
    except OtherCode as error:
        return failed(claim, Verdict.ERROR, str(error))
    except Exception as error:
        return failed(claim, Verdict.ERROR, f"{type(error).__name__}: {error}")
