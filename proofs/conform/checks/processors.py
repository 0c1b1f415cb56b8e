"""The simple and the batching span processor, and the provider that has processors.

An exporter writes down what it is asked; where it stays in a call until it is released, or
raises, an operation says. Nothing is concluded from how fast something is, but for one thing:
what was asked to end within ``TIMEOUT`` and has not ended after some seconds.

A batching processor may count the batch that is being exported as part of its queue, and which
spans it drops is its own choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st

from ..check import Deviation, raised, wants
from ..check import check as any_check
from ..target import Arguments

check = partial(any_check, cases=25)
"""A check of fewer cases than others have: each has its threads, and hangs where they do."""

TIMEOUT = 200
"""Milliseconds that a flush or a shutdown is given while the exporter hangs."""

Calls = list[list[Any]]

_kinds = st.sampled_from(["simple", "batch"])


def _names(start: int, count: int) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def _runs(
    *steps: Any, processor: Any = _kinds, **more: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Arguments of ``processor.run``: a step is "end", so many spans, or another operation."""

    def numbered(drawn: Sequence[Any]) -> list[list[str]]:
        done, ended = [], 0
        for step in drawn:
            if isinstance(step, int):
                done.append(["end", *_names(ended, step)])
                ended += step
            else:
                done.append([step])
        return done

    drawn = st.tuples(
        *(each if isinstance(each, st.SearchStrategy) else st.just(each) for each in steps)
    )
    return st.fixed_dictionaries(
        {
            "processor": processor,
            "steps": drawn.map(numbered),
            "batch": st.integers(1, 4),
            **more,
        }
    )


_some = st.integers(1, 9)


def _step(answer: Any, number: int) -> dict[str, Any]:
    """What came of a step; nothing if a step before it hangs."""
    steps = answer["steps"]
    return dict(steps[number]) if number < len(steps) else {"calls": []}


def _asked(calls: Calls, method: str) -> int:
    return sum(call[0] == method for call in calls)


def _exported(calls: Calls) -> list[str]:
    """The spans that were given to an exporter, in order."""
    return [name for method, *names in calls if method == "export" for name in names]


def _ended(arguments: Arguments, until: int | None = None) -> list[str]:
    """The spans that the steps end."""
    return [name for step in arguments["steps"][:until] if step[0] == "end" for name in step[1:]]


def _left(runs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Runs whose last batch is not full, so that it is exported only when it is asked for."""
    return runs.filter(lambda arguments: len(_ended(arguments)) % arguments["batch"] > 0)


def _since(answer: Any, number: int) -> Calls:
    """What the exporter was asked since a step, to the very end."""
    return list(answer["calls"][len(_step(answer, number)["calls"]) :])


def _throws(answer: Any) -> list[str]:
    """What the steps raised, and that they hang."""
    found = [str(step["raised"]) for step in answer["steps"] if "raised" in step]
    return found + ["hangs"] * any("hangs" in step for step in answer["steps"])


# BP-01


def _is_serial(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(not raised(answer) and answer["most"] == 1, "one call of export at a time")


def _concurrent(processor: str, *seconds: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(seconds).map(lambda each: {"processor": processor, "second": each})


check(
    "BP-01",
    "a span ends while the simple processor exports another",
    "processor.concurrent",
    _concurrent("simple", "end"),
)(_is_serial)
check(
    "BP-01",
    "a flush or shutdown while the batching processor exports",
    "processor.concurrent",
    _concurrent("batch", "force_flush", "shutdown"),
)(_is_serial)

# BP-02


@check(
    "BP-02",
    "a batch that is full, with a delay of an hour",
    "batch.trigger",
    st.integers(1, 5).map(
        lambda size: {"trigger": "full", "max_export_batch_size": size, "spans": size}
    ),
    cases=4,
)
@check(
    "BP-02",
    "a batch that is not full, after a short delay",
    "batch.trigger",
    st.integers(1, 5).map(
        lambda size: {"trigger": "delay", "max_export_batch_size": size + 1, "spans": size}
    ),
    cases=4,
)
def _is_exported_unasked(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _names(0, arguments["spans"])
    holds = not raised(answer) and answer["exported"] == wanted
    return wants(holds, "the spans are exported, though nobody flushes")


# BP-03

_sizes = st.integers(1, 6).flatmap(
    lambda queue: st.fixed_dictionaries(
        {
            "max_queue_size": st.just(queue),
            "max_export_batch_size": st.integers(1, queue),
            "spans": st.integers(0, 3 * queue),
        }
    )
)


def _while_busy(answer: Any) -> list[str] | None:
    """The spans that ended while the exporter was busy and were exported later."""
    if raised(answer) or answer["calls"][:1] != [["export", "first"]]:
        return None
    return _exported(answer["calls"][1:])


@check("BP-03", "spans that end while the exporter is busy", "batch.busy", _sizes)
def _queue_size(arguments: Arguments, answer: Any) -> Deviation | None:
    size, spans = arguments["max_queue_size"], arguments["spans"]
    kept = _while_busy(answer)
    holds = kept is not None and set(kept) <= set(_names(0, spans))
    # Whether the span that is being exported is one of the queue is not said.
    holds = holds and min(spans, size - 1) <= len(kept or ()) <= min(spans, size)
    return wants(holds, f"a queue of {size} spans keeps {min(spans, size)} of {spans}")


@check("BP-03", "the sizes of batches", "batch.busy", _sizes)
def _batch_size(arguments: Arguments, answer: Any) -> Deviation | None:
    size = arguments["max_export_batch_size"]
    holds = not raised(answer) and all(
        len(call) - 1 <= size for call in answer["calls"] if call[0] == "export"
    )
    return wants(holds, f"batches of at most {size} spans")


# BP-05, BP-06


@check("BP-05", "spans that are queued", "processor.run", _left(_runs(_some, "shutdown")))
def _shutdown_flushes(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer)
    if holds:
        calls = _step(answer, 1)["calls"]
        over = calls.index(["shutdown"]) if ["shutdown"] in calls else len(calls)
        holds = Counter(_exported(calls[:over])) == Counter(_ended(arguments))
    return wants(holds, "each span is exported, once, before the exporter is shut down")


@check("BP-05", "the exporter is shut down", "processor.run", _runs(st.integers(0, 9), "shutdown"))
def _shuts_down(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and _asked(_step(answer, 1)["calls"], "shutdown") == 1
    return wants(holds, "the exporter is shut down, once")


@check(
    "BP-06",
    "spans that end after shutdown",
    "processor.run",
    _runs(st.integers(0, 4), "shutdown", _some, "force_flush"),
)
def _late_spans(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _exported(_since(answer, 1)) and not _throws(answer)
    return wants(holds, "they are ignored: nothing is exported, nothing raised")


@check(
    "BP-06",
    "a flush after shutdown",
    "processor.run",
    _runs(st.integers(0, 4), "shutdown", "force_flush"),
)
def _late_flush(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _asked(_since(answer, 1), "force_flush")
    return wants(holds and not _throws(answer), "the exporter is not asked; nothing is raised")


@check(
    "BP-06",
    "a second shutdown",
    "processor.run",
    _runs(st.integers(0, 4), "shutdown", "shutdown"),
    level="MAY",
    licence="Shutdown is to be called once; what a second call does is not said",
)
def _second_shutdown(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _since(answer, 1) and not _throws(answer)
    return wants(holds, "the exporter is not shut down again")


# BP-07, BP-09


@check("BP-07", "a flush that succeeds", "processor.run", _runs(st.integers(0, 9), "force_flush"))
def _tells_success(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and _step(answer, 1).get("returned") is True
    return wants(holds, "the caller is told that it succeeded")


def _hangs(processor: str, holds: str, **more: Any) -> st.SearchStrategy[Any]:
    return st.just({"processor": processor, "holds": holds, "timeout_millis": TIMEOUT, **more})


def _ends_in_time(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and "hangs" not in answer["result"]
    return wants(holds, f"it ends, of which {TIMEOUT} ms were asked, whatever is not finished")


for kind, arguments in (
    ("the export of another thread hangs: simple processor", _hangs("simple", "export")),
    ("an export hangs: batching processor", _hangs("batch", "export")),
    ("the exporter's flush hangs: batching processor", _hangs("batch", "force_flush")),
    (
        "the exporter's flush takes all the time it is given: simple processor",
        _hangs("simple", "force_flush", keeps_time=True),
    ),
):
    check("BP-09", kind, "processor.timeout", arguments)(_ends_in_time)


@check(
    "BP-07",
    "a flush of the batching processor that is not finished in time",
    "processor.timeout",
    _hangs("batch", "export"),
)
def _tells_timeout(arguments: Arguments, answer: Any) -> Deviation | None:
    if raised(answer) or "hangs" in answer["result"]:
        return None  # That is BP-09.
    return wants(answer["result"].get("returned") is not True, "not that it succeeded")


check(
    "BP-07",
    "a shutdown with a time, while the exporter hangs",
    "processor.shutdown_timeout",
    _kinds.map(lambda processor: {"processor": processor, "timeout_millis": TIMEOUT}),
)(_ends_in_time)

# BP-08


@check("BP-08", "spans that ended before", "processor.run", _left(_runs(_some, "force_flush")))
def _flush_exports(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and Counter(_exported(_step(answer, 1)["calls"])) == Counter(
        _ended(arguments)
    )
    return wants(holds, "each span is exported when the flush returns, once")


def _flushed(processor: str) -> st.SearchStrategy[Any]:
    return _runs(_some, "force_flush", processor=st.just(processor))


@check("BP-08", "ForceFlush of the exporter: simple processor", "processor.run", _flushed("simple"))
@check(
    "BP-08", "ForceFlush of the exporter: batching processor", "processor.run", _flushed("batch")
)
def _flushes_exporter(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and _step(answer, 1)["calls"][-1:] == [["force_flush"]]
    return wants(holds, "then ForceFlush is invoked on the exporter")


@check(
    "BP-08",
    "spans that ended while the exporter is busy",
    "batch.busy",
    _sizes.filter(lambda sizes: sizes["spans"] > 0).map(lambda sizes: {**sizes, "waits": True}),
    cases=3,
)
def _flush_waits(arguments: Arguments, answer: Any) -> Deviation | None:
    if not raised(answer) and answer["flush"].get("returned") is False:
        return None  # It says that it is not finished.
    kept = _while_busy(answer)
    holds = kept is not None and sorted(kept) == sorted(answer["flushed"][1:])
    return wants(holds, "what is exported at all is exported when the flush returns")


# BP-12

_threads = st.fixed_dictionaries(
    {
        "processor": _kinds,
        "threads": st.integers(2, 4),
        "spans": st.integers(1, 40),
        "batch": st.integers(1, 20),
    }
)


def _of_threads(arguments: Arguments) -> list[str]:
    threads, spans = range(arguments["threads"]), range(arguments["spans"])
    return [f"{thread}-{span}" for thread in threads for span in spans]


@check("BP-12", "threads that end spans and flush", "processor.threads", _threads, cases=20)
def _in_threads(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and answer["ended"] and not answer["raised"]
    holds = holds and Counter(answer["exported"]) == Counter(_of_threads(arguments))
    return wants(holds, "each span is exported, once, and nothing is raised")


@check("BP-08", "threads that end spans and flush", "processor.threads", _threads, cases=20)
def _flush_in_threads(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not answer["unflushed"]
    return wants(holds, "the spans of a thread are exported when its flush has succeeded")


@check(
    "BP-12",
    "threads that shut down together",
    "processor.shutdown_together",
    st.fixed_dictionaries(
        {"processor": _kinds, "threads": st.integers(2, 4), "spans": st.integers(0, 9)}
    ),
    cases=20,
)
def _shutdown_together(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and len(answer["results"]) == arguments["threads"]
    holds = holds and all("returned" in result for result in answer["results"])
    exported = Counter(_exported(answer["calls"])) if holds else None
    holds = holds and exported == Counter(_names(0, arguments["spans"]))
    return wants(holds, "each shutdown ends, and each span is exported, once")


# BP-13, BP-16


@check("BP-13", "a span ends while the exporter is busy and the queue full", "batch.busy", _sizes)
def _does_not_block(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and "returned" in answer["ended"]
    return wants(holds, "OnEnd does not block")


def _raising(method: str, *steps: Any) -> st.SearchStrategy[Any]:
    return _runs(*steps, raises=st.just({method: "ValueError"}))


@check(
    "BP-13",
    "an exporter whose export raises",
    "processor.run",
    _raising("export", _some, "force_flush", _some, "force_flush"),
    level="MUST",
)
@check(
    "BP-13",
    "an exporter whose flush raises",
    "processor.run",
    _raising("force_flush", _some, "force_flush", _some, "force_flush"),
    level="MUST",
)
def _survives(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _throws(answer)
    holds = holds and set(_exported(_step(answer, 3)["calls"])) == set(_ended(arguments))
    return wants(holds, "nothing is raised, and later spans are exported")


@check(
    "BP-13",
    "an exporter whose shutdown raises",
    "processor.run",
    _raising("shutdown", st.integers(0, 3), "shutdown"),
    level="MUST",
)
def _survives_shutdown(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _throws(answer)
    return wants(holds, "nothing is raised: an exporter is expected to throw")


check(
    "BP-13",
    "an exporter that raises SystemExit in the background",
    "processor.run",
    _runs(
        _some,
        "force_flush",
        _some,
        "force_flush",
        processor=st.just("batch"),
        raises=st.just({"export": "SystemExit"}),
    ),
    level="MAY",
    licence="an exception that ends the program is no error that the standard speaks of",
    cases=2,
)(_survives)


@check(
    "BP-13",
    "an exporter that ends a span itself",
    "processor.nested",
    _kinds.map(lambda processor: {"processor": processor}),
)
def _no_deadlock(arguments: Arguments, answer: Any) -> Deviation | None:
    return wants(not raised(answer) and not _throws(answer), "nothing hangs, nothing is raised")


@check(
    "BP-16",
    "exports that fail",
    "processor.run",
    _runs(_some, "force_flush", _some, "force_flush", answer=st.just("FAILURE"))
    | _raising("export", _some, "force_flush", _some, "force_flush"),
)
def _no_retry(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and all(n == 1 for n in Counter(_exported(answer["calls"])).values())
    return wants(holds, "no span is given to the exporter again")


# SA-02: which spans an exporter is given is decided by the processor.


def _decided(*decisions: str) -> st.SearchStrategy[Any]:
    return _runs(_some, "force_flush", decision=st.sampled_from(decisions))


@check("SA-02", "sampled spans and exporters", "processor.run", _decided("RECORD_AND_SAMPLE"))
def _sampled(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and Counter(_exported(answer["calls"])) == Counter(_ended(arguments))
    return wants(holds, "the exporter receives each span")


@check(
    "SA-02",
    "spans that are not sampled and exporters",
    "processor.run",
    _decided("RECORD_ONLY", "DROP"),
    level="SHOULD",
)
def _not_sampled(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _exported(answer["calls"]) and not _throws(answer)
    return wants(holds, "the exporter receives none of the spans")


# The provider: BP-10, BP-11, BP-13, BP-14


def _provides(processors: st.SearchStrategy[Any], *steps: list[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"processors": processors, "steps": st.just([*map(list, steps)])})


@st.composite
def _processors(
    draw: st.DrawFn, raises: Sequence[str] = (), answers: Sequence[bool | None] = (True,)
) -> list[dict[str, Any]]:
    """Up to four processors, of which some raise or answer as given."""
    return [
        {
            "name": name,
            "raises": draw(st.sampled_from([[], list(raises)])),
            "answer": draw(st.sampled_from(answers)),
        }
        for name in "abcd"[: draw(st.integers(1, 4))]
    ]


def _called(arguments: Arguments, method: str) -> Calls:
    return [[each["name"], method] for each in arguments["processors"]]


def _all_are_asked(arguments: Arguments, answer: Any) -> Deviation | None:
    """The last step reaches each processor."""
    method = arguments["steps"][-1][0]
    calls = _called(arguments, method)
    holds = not raised(answer) and sorted(answer["steps"][-1]["calls"]) == calls
    return wants(holds, f"{method} of each processor, once")


check("BP-10", "all processors", "provider.run", _provides(_processors(), ["span"], ["shutdown"]))(
    _all_are_asked
)
check(
    "BP-10",
    "a processor that raises in shutdown",
    "provider.run",
    _provides(_processors(["shutdown"]), ["shutdown"]),
)(_all_are_asked)
check(
    "BP-11",
    "all processors, whatever they answer",
    "provider.run",
    _provides(_processors(answers=(True, False)), ["span"], ["force_flush"]),
)(_all_are_asked)
check(
    "BP-11",
    "a processor that raises in force_flush",
    "provider.run",
    _provides(_processors(["force_flush"]), ["force_flush"]),
)(_all_are_asked)


@check(
    "BP-10",
    "a tracer after shutdown",
    "provider.run",
    _provides(_processors(), ["shutdown"], ["another_tracer"]),
    level="SHOULD",
)
def _no_op(arguments: Arguments, answer: Any) -> Deviation | None:
    last = {} if raised(answer) else answer["steps"][-1]
    holds = last.get("returned") is False and not last.get("calls")
    return wants(holds, "a tracer that does nothing: its spans do not record")


@check(
    "BP-10",
    "a second shutdown",
    "provider.run",
    _provides(_processors(), ["shutdown"], ["shutdown"]),
    level="MAY",
    licence="Shutdown is to be called once; what a second call does is not said",
)
def _provider_shut_down_again(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not answer["steps"][-1]["calls"]
    return wants(holds, "no processor is shut down again")


@check(
    "BP-07",
    "a flush of the provider",
    "provider.run",
    _provides(_processors(answers=(True, False)), ["force_flush"]),
)
def _provider_tells(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = all(each["answer"] for each in arguments["processors"])
    holds = not raised(answer) and answer["steps"][0].get("returned") is wanted
    return wants(holds, "the caller is told whether all processors succeeded")


def _goes_on(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and not _throws(answer)
    return wants(holds, "nothing is raised: a processor is expected to throw")


for method in ("on_start", "on_end", "shutdown", "force_flush"):
    step = "span" if method.startswith("on_") else method
    check(
        "BP-13",
        f"a processor whose {method} raises",
        "provider.run",
        _provides(_processors([method]), [step]),
        level="MUST",
    )(_goes_on)


@check("BP-14", "the order of processors", "provider.run", _provides(_processors(), ["span"]))
def _in_order(arguments: Arguments, answer: Any) -> Deviation | None:
    wanted = _called(arguments, "on_start") + _called(arguments, "on_end")
    holds = not raised(answer) and answer["steps"][0]["calls"] == wanted
    return wants(holds, "on_start, then on_end, of each in the order of registration")


@check(
    "BP-14",
    "a processor that is added later",
    "provider.run",
    _provides(_processors(), ["span"], ["add", {"name": "z"}], ["span"]),
)
def _added_later(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer)
    if holds:
        calls = answer["steps"][-1]["calls"]
        holds = [call for call in calls if call[0] == "z"] == [["z", "on_start"], ["z", "on_end"]]
    return wants(holds, "it is called for spans of a tracer that was there before")


# BP-17


@check(
    "BP-17",
    "exporters of the SDK",
    "exporter.after_shutdown",
    st.sampled_from(["memory", "console"]).map(lambda name: {"exporter": name}),
)
def _fails_after_shutdown(arguments: Arguments, answer: Any) -> Deviation | None:
    holds = not raised(answer) and (answer["before"], answer["after"]) == ("SUCCESS", "FAILURE")
    return wants(holds, "SUCCESS before shutdown, FAILURE after it")
