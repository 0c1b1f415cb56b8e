"""``verified conform`` on samplers, ids and span processors: each planted fault is found.

A fault is a few lines that take the place of one part of an implementation that is right: the
SDK with our span processors, a provider that survives what processors raise, and exporters
that fail after shutdown.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from proofs.conform import program, run
from proofs.conform.check import Verdict
from proofs.conform.checks import every_check, identifiers, processors, sampling
from proofs.conform.run import Options, run_check
from proofs.conform.target import About, PackageTarget
from tests.conform_faults import Implementation

MODULES = (identifiers, sampling, processors)
CHECKS = {
    check.name: check
    for check in every_check()
    if check.judge.__module__ in {module.__name__ for module in MODULES}
}

RIGHT = """
import types
from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor
from verified.otel.processor import VerifiedBatchSpanProcessor as BatchSpanProcessor
from verified.otel.processor import VerifiedSimpleSpanProcessor as SimpleSpanProcessor

class Processors(SynchronousMultiSpanProcessor):
    def each(self, method, *arguments, **named):
        answers = []
        for one in self._span_processors:
            try:
                answers.append(getattr(one, method)(*arguments, **named))
            except Exception:
                answers.append(False)
        return answers
    def on_start(self, span, parent_context=None):
        self.each("on_start", span, parent_context=parent_context)
    def on_end(self, span):
        self.each("on_end", span)
    def shutdown(self):
        self.each("shutdown")
    def force_flush(self, timeout_millis=30000):
        return False not in self.each("force_flush", timeout_millis)

class TracerProvider(TracerProvider):
    is_open = True
    def __init__(self, **named):
        super().__init__(active_span_processor=Processors(), **named)
    def get_tracer(self, name):
        return super().get_tracer(name) if self.is_open else trace.NoOpTracer()
    def shutdown(self):
        if self.is_open:
            self.is_open = False
            super().shutdown()

class ConsoleSpanExporter(ConsoleSpanExporter):
    is_open = True
    def export(self, spans):
        return super().export(spans) if self.is_open else SpanExportResult.FAILURE
    def shutdown(self):
        self.is_open = False

OFFERS["processor.shutdown_timeout"] = processor_shutdown_timeout
"""

# A tracer between: what it does to a span that was started is the fault.
TRACER = """
class TracerProvider(TracerProvider):
    def get_tracer(self, name):
        tracer = super().get_tracer(name)
        return types.SimpleNamespace(start_span=lambda name, context=None: start(tracer, context))
"""

DEVIATES, ADVISORY, LICENSED = Verdict.DEVIATES, Verdict.ADVISORY, Verdict.LICENSED


def ids(trace_id: str, span_id: str, is_random: bool = True, setup: str = "") -> str:
    """A generator of ids, by expressions."""
    return f"""
import random
class Generator(IdGenerator):
    def __init__(self):
        self.number, self.random = 0, random.Random()
    def generate_trace_id(self):
        self.number += 1
        return {trace_id}
    def generate_span_id(self):
        self.number += 1
        return {span_id}
    def is_trace_id_random(self):
        return {is_random}
IDS = {{"id_generator": Generator()}}
"""


def api(**changed: str) -> str:
    """Another name or two in ``opentelemetry.trace``, by expressions."""
    names = ", ".join(f"{name!r}: {text}" for name, text in changed.items())
    return f"trace = types.SimpleNamespace(**{{**vars(trace), {names}}})\n"


def started(body: str) -> str:
    """A tracer whose spans are what the statements make of ``span``."""
    lines = "\n    ".join(body.strip().splitlines())
    return f"def start(tracer, context):\n    {lines}\n{TRACER}"


def again(flags: str = "was.trace_flags", **changed: str) -> str:
    """A tracer whose spans get another span context."""
    fields = {
        "trace_id": "was.trace_id",
        "span_id": "was.span_id",
        "is_remote": "False",
        "trace_flags": f"trace.TraceFlags({flags})",
        "trace_state": "was.trace_state",
    } | changed
    made = ", ".join(f"{name}={text}" for name, text in fields.items())
    return started(
        "span = tracer.start_span('s', context)\n"
        "was = span.get_span_context()\n"
        "parent = trace.get_current_span(context).get_span_context()\n"
        f"changed = trace.SpanContext({made})\n"
        "if not span.is_recording():\n"
        "    return trace.NonRecordingSpan(changed)\n"
        "span.get_span_context = lambda: changed\n"
        "return span"
    )


def subclass(name: str, body: str) -> str:
    lines = "\n    ".join(body.strip().splitlines())
    return f"class {name}({name}):\n    {lines}\n"


def batch(body: str) -> str:
    return subclass("BatchSpanProcessor", body)


def simple(body: str) -> str:
    return subclass("SimpleSpanProcessor", body)


def limits(**changed: str) -> str:
    """A batching processor with other limits than it was given."""
    lines = "\n".join(f"    named[{name!r}] = {text}" for name, text in changed.items())
    return batch(
        f"def __init__(self, exporter, **named):\n{lines}\n    super().__init__(exporter, **named)"
    )


def ratio(body: str) -> str:
    return subclass("TraceIdRatioBased", body)


def sampler(name: str, decision: str, described: str) -> str:
    """A sampler in the place of one that is always the same."""
    return f"""
class Other(Sampler):
    def should_sample(self, parent_context, trace_id, name, *rest, **named):
        parent = trace.get_current_span(parent_context).get_span_context()
        return SamplingResult(Decision[{decision}], trace_state=parent.trace_state)
    def get_description(self):
        return {described!r}
{name} = Other()
"""


# Faults, each with the checks that find it and what they say.
FAULTS: Sequence[tuple[str, str, Verdict, Sequence[str]]] = [
    (
        "ids of 32 bits under the random flag",
        ids("self.random.getrandbits(32) or 1", "self.random.getrandbits(64) or 1"),
        DEVIATES,
        ["ID-01 the bits of ids are random", "TP-15 trace ids under the random flag"],
    ),
    (
        "ids with a half twice",
        ids("self.random.getrandbits(28) * (1 + 2**28)", "self.random.getrandbits(64) or 1"),
        DEVIATES,
        ["ID-01 the bits of ids are random"],
    ),
    (
        "ids that count",
        ids("self.number", "self.number"),
        DEVIATES,
        ["ID-01 the bits of ids are random"],
    ),
    (
        "an id that is zero",
        ids("0", "self.number"),
        DEVIATES,
        ["ID-01 ids of root spans are valid"],
    ),
    (
        "one id for all",
        ids("7", "self.random.getrandbits(64)"),
        DEVIATES,
        ["ID-01 no id is made twice"],
    ),
    (
        "one trace for all",
        again(trace_id="5"),
        DEVIATES,
        ["SA-03 the trace id of a root span"],
    ),
    (
        "a source of ids that a fork has too",
        ids("self.random.getrandbits(128)", "self.random.getrandbits(64)"),
        DEVIATES,
        ["ID-01 ids of a process and of its fork"],
    ),
    (
        "random ids without the flag",
        ids("self.random.getrandbits(128)", "self.random.getrandbits(64)", is_random=False),
        ADVISORY,
        ["ID-03 the random flag of a root span", "TP-16 the random flag of a root span"],
    ),
    (
        "a provider with a generator of its own",
        subclass(
            "TracerProvider",
            "def __init__(self, id_generator=None, **named):\n    super().__init__(**named)",
        ),
        DEVIATES,
        ["ID-02 ids of a generator of the application"],
    ),
    (
        "a flag that no generator is asked for",
        again("was.trace_flags | 2"),
        ADVISORY,
        ["ID-03 a generator of the application says whether its ids are random"],
    ),
    (
        "a span context that is assigned to",
        "class Mutable:\n"
        "    def __init__(self, *fields):\n"
        "        self.trace_id, self.span_id, self.is_remote, self.trace_flags = fields[:4]\n"
        "        self.trace_state = fields[4] if len(fields) > 4 else TraceState()\n"
        + api(SpanContext="Mutable"),
        DEVIATES,
        ["SC-01 attributes are assigned to"],
    ),
    (
        "ids in upper case",
        api(format_trace_id="'{:032X}'.format"),
        DEVIATES,
        ["SC-02 ids in hexadecimal"],
    ),
    (
        "a span context that is always valid",
        "class Valid(trace.SpanContext):\n    is_valid = True\n" + api(SpanContext="Valid"),
        DEVIATES,
        ["SC-03 an id that is zero", "SC-03 an id that is too wide"],
    ),
    (
        "a span context that is never valid",
        "class Valid(trace.SpanContext):\n    is_valid = False\n" + api(SpanContext="Valid"),
        DEVIATES,
        ["SC-03 ids that are not zero"],
    ),
    (
        "a span context that is extracted as local",
        subclass(
            "TraceContextTextMapPropagator",
            "def extract(self, **named):\n"
            "    was = trace.get_current_span(super().extract(**named)).get_span_context()\n"
            "    return _within(trace.SpanContext(was.trace_id, was.span_id, False))",
        ),
        DEVIATES,
        ["SC-04 a span context that is extracted"],
    ),
    (
        "children as remote as their parents",
        again(is_remote="parent.is_remote"),
        DEVIATES,
        ["SC-04 children of a remote and of a local parent"],
    ),
    (
        "a tracer of the API that forgets the parent",
        "class Forgets:\n    def start_span(self, *arguments):\n        return trace.INVALID_SPAN\n"
        + api(get_tracer="lambda name: Forgets()"),
        DEVIATES,
        ["SC-08 a span with a parent", "SC-08 what is propagated of a parent"],
    ),
    (
        "a tracer of the API that makes ids",
        api(get_tracer="TracerProvider(shutdown_on_exit=False).get_tracer"),
        DEVIATES,
        ["SC-08 a span without a parent"],
    ),
    (
        "a flag without a recording",
        again("was.trace_flags | 1"),
        DEVIATES,
        ["SA-01 spans of each decision"],
    ),
    (
        "a processor that is given spans that do not record",
        started(
            "span = tracer.start_span('s', context)\n"
            "if not span.is_recording():\n"
            "    tracer.span_processor.on_start(span)\n"
            "return span"
        ),
        DEVIATES,
        ["SA-02 spans that a processor is given"],
    ),
    (
        "an exporter that is given all spans",
        simple("def on_end(self, span):\n    self.span_exporter.export((span,))"),
        ADVISORY,
        ["SA-02 spans that are not sampled and exporters"],
    ),
    (
        "an exporter that is not given the last span",
        simple(
            "last = None\n"
            "def on_end(self, span):\n"
            "    last, self.last = self.last, span\n"
            "    if last is not None:\n"
            "        super().on_end(last)"
        ),
        DEVIATES,
        [
            "SA-02 sampled spans and exporters",
            "BP-05 spans that are queued",
            "BP-08 spans that ended before",
        ],
    ),
    (
        "a child with a trace of its own",
        again(trace_id="was.trace_id ^ 1"),
        DEVIATES,
        ["SA-03 the trace id of a child"],
    ),
    (
        "a child with the span id of its parent",
        again(span_id="parent.span_id or was.span_id"),
        DEVIATES,
        ["SA-04 span ids"],
    ),
    (
        "RECORD_ONLY that samples",
        "class SamplingResult(SamplingResult):\n"
        "    def __init__(self, decision, **named):\n"
        "        is_one = decision is Decision.RECORD_ONLY\n"
        "        super().__init__(Decision.RECORD_AND_SAMPLE if is_one else decision, **named)\n",
        DEVIATES,
        ["SA-05 what a span is after each decision"],
    ),
    (
        "samplers that drop the trace state",
        "class Drops(Sampler):\n"
        "    def __init__(self, one):\n"
        "        self.one = one\n"
        "    def should_sample(self, *arguments, **named):\n"
        "        return SamplingResult(self.one.should_sample(*arguments, **named).decision)\n"
        "    def get_description(self):\n"
        "        return self.one.get_description()\n"
        "ALWAYS_ON = Drops(ALWAYS_ON)\n"
        "ALWAYS_OFF = Drops(ALWAYS_OFF)\n",
        ADVISORY,
        ["SA-06 what a sampler returns", "SA-06 the trace state of a child"],
    ),
    (
        "a tracer that keeps the trace state of the parent",
        again(trace_state="parent.trace_state"),
        ADVISORY,
        ["SA-06 a trace state that the sampler changes or clears"],
    ),
    (
        "AlwaysOn that follows the parent",
        sampler("ALWAYS_ON", "'RECORD_AND_SAMPLE' if parent.is_remote else 'DROP'", "AlwaysOn"),
        DEVIATES,
        ["SA-07 AlwaysOn", "SA-07 descriptions"],
    ),
    (
        "AlwaysOff that records",
        sampler("ALWAYS_OFF", "'RECORD_ONLY'", "AlwaysOffSampler"),
        DEVIATES,
        ["SA-07 AlwaysOff"],
    ),
    (
        "a ratio that looks at the name",
        ratio(
            "def should_sample(self, **named):\n"
            "    trace_id = (1 << 64) - 1 if len(named['name']) > 1 else 0\n"
            "    return super().should_sample(**{**named, 'trace_id': trace_id})"
        ),
        DEVIATES,
        ["SA-08 spans of one trace"],
    ),
    (
        "a ratio that follows the parent",
        ratio(
            "def should_sample(self, **named):\n"
            "    context = named['parent_context']\n"
            "    parent = trace.get_current_span(context).get_span_context()\n"
            "    sampled = parent.trace_flags & 1\n"
            "    one = ALWAYS_ON if sampled else super()\n"
            "    return one.should_sample(**named)"
        ),
        DEVIATES,
        ["SA-08 the sampled flag of the parent"],
    ),
    (
        "a ratio that samples others than a lower one",
        ratio(
            "def should_sample(self, **named):\n"
            "    trace_id = named['trace_id'] * (self.bound | 1)\n"
            "    return super().should_sample(**{**named, 'trace_id': trace_id})"
        ),
        DEVIATES,
        ["SA-09 traces that a lower ratio samples"],
    ),
    (
        "half of the ratio",
        ratio("bound = property(lambda self: self._bound // 2)"),
        DEVIATES,
        ["SA-09 how many traces a ratio samples"],
    ),
    (
        "a description in percent",
        ratio("def get_description(self):\n    return f'TraceIdRatioBased{{{self.rate:.0%}}}'"),
        DEVIATES,
        ["SA-10 the description"],
    ),
    (
        "a description that is not precise",
        ratio("def get_description(self):\n    return f'TraceIdRatioBased{{{self.rate:.1f}}}'"),
        ADVISORY,
        ["SA-10 descriptions of two ratios"],
    ),
    (
        "a parent that is taken for a local one",
        subclass(
            "ParentBased",
            "def __init__(self, root, local_parent_sampled=ALWAYS_ON, **named):\n"
            "    named['remote_parent_sampled'] = local_parent_sampled\n"
            "    named['local_parent_sampled'] = local_parent_sampled\n"
            "    super().__init__(root, **named)",
        ),
        DEVIATES,
        ["SA-11 the five cases"],
    ),
    (
        "a parent that is not sampled, and recorded by default",
        subclass(
            "ParentBased",
            "def __init__(self, root, **named):\n"
            "    super().__init__(root, **{'remote_parent_not_sampled': ALWAYS_ON, **named})",
        ),
        DEVIATES,
        ["SA-11 samplers that are not given"],
    ),
    (
        "a parent that is not valid and followed",
        subclass(
            "ParentBased",
            "def should_sample(self, **named):\n"
            "    parent = trace.get_current_span(named['parent_context']).get_span_context()\n"
            "    one = super() if parent.is_valid else self._local_parent_sampled\n"
            "    return one.should_sample(**named)",
        ),
        DEVIATES,
        ["SA-11 a parent that is not valid"],
    ),
    (
        "AlwaysRecord that samples",
        subclass(
            "AlwaysRecordSampler",
            "def should_sample(self, *arguments, **named):\n"
            "    return ALWAYS_ON.should_sample(*arguments, **named)",
        ),
        DEVIATES,
        ["SA-12 each decision of the root"],
    ),
    (
        "a sampler that is busy with one thread",
        "class Busy(Sampler):\n"
        "    busy = 0\n"
        "    def should_sample(self, *arguments, **named):\n"
        "        self.busy += 1\n"
        "        time.sleep(0.0001)\n"
        "        alone = self.busy == 1\n"
        "        self.busy -= 1\n"
        "        return (ALWAYS_ON if alone else ALWAYS_OFF).should_sample(*arguments, **named)\n"
        "    def get_description(self):\n"
        "        return 'Busy'\n"
        "TraceIdRatioBased = lambda ratio: Busy()\n",
        DEVIATES,
        ["SA-13 threads that ask one sampler"],
    ),
    (
        "no lock",
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n",
        DEVIATES,
        ["BP-01 a span ends while the simple processor exports another"],
    ),
    (
        "a flush that exports in its own thread",
        batch(
            "def force_flush(self, timeout_millis=None):\n"
            "    self.span_exporter.export(())\n"
            "    return super().force_flush(timeout_millis)"
        ),
        DEVIATES,
        ["BP-01 a flush or shutdown while the batching processor exports"],
    ),
    (
        "a batch that is never full",
        "ENOUGH = 0.3\n" + limits(max_export_batch_size="named['max_queue_size']"),
        ADVISORY,
        ["BP-02 a batch that is full, with a delay of an hour"],
    ),
    (
        "a delay that is not kept",
        "ENOUGH = 0.3\n" + limits(schedule_delay_millis="HOUR"),
        ADVISORY,
        ["BP-02 a batch that is not full, after a short delay"],
    ),
    (
        "a queue that is too long",
        limits(max_queue_size="named['max_queue_size'] + 1"),
        DEVIATES,
        ["BP-03 spans that end while the exporter is busy"],
    ),
    (
        "a queue that is too short",
        limits(max_queue_size="named['max_queue_size'] // 2 or 1", max_export_batch_size="1"),
        DEVIATES,
        ["BP-03 spans that end while the exporter is busy"],
    ),
    (
        "batches that are too large",
        limits(max_export_batch_size="named['max_queue_size']"),
        DEVIATES,
        ["BP-03 the sizes of batches"],
    ),
    (
        "a shutdown that does not flush",
        batch(
            "def shutdown(self, timeout_millis=None):\n"
            "    self.span_exporter.shutdown()\n"
            "    super().shutdown()"
        ),
        DEVIATES,
        ["BP-05 spans that are queued", "BP-05 the exporter is shut down"],
    ),
    (
        "a shutdown of nothing",
        batch("def shutdown(self, timeout_millis=None):\n    super().force_flush()"),
        DEVIATES,
        ["BP-05 the exporter is shut down"],
    ),
    (
        "exports after shutdown",
        simple(
            "def on_end(self, span):\n"
            "    if span.context.trace_flags & 1:\n"
            "        self.span_exporter.export((span,))"
        ),
        ADVISORY,
        ["BP-06 spans that end after shutdown"],
    ),
    (
        "flushes after shutdown, and shutdown twice",
        simple(
            "def force_flush(self, timeout_millis=None):\n"
            "    return self.span_exporter.force_flush()\n"
            "def shutdown(self, timeout_millis=None):\n"
            "    self.span_exporter.shutdown()"
        ),
        ADVISORY,
        ["BP-06 a flush after shutdown"],
    ),
    (
        "a shutdown that is done twice",
        simple("def shutdown(self, timeout_millis=None):\n    self.span_exporter.shutdown()"),
        LICENSED,
        ["BP-06 a second shutdown"],
    ),
    (
        "a flush that says nothing",
        simple("def force_flush(self, timeout_millis=None):\n    super().force_flush()"),
        ADVISORY,
        ["BP-07 a flush that succeeds"],
    ),
    (
        "a flush that always succeeds",
        batch(
            "def force_flush(self, timeout_millis=None):\n"
            "    super().force_flush(timeout_millis)\n"
            "    return True"
        ),
        ADVISORY,
        ["BP-07 a flush of the batching processor that is not finished in time"],
    ),
    (
        "a shutdown without an end",
        "ENOUGH = 0.3\n"
        + batch("def shutdown(self, timeout_millis=None):\n    super().shutdown()")
        + simple("def shutdown(self, timeout_millis=None):\n    super().shutdown()"),
        ADVISORY,
        ["BP-07 a shutdown with a time, while the exporter hangs"],
    ),
    (
        "a provider that says that a flush succeeded",
        subclass(
            "TracerProvider",
            "def force_flush(self):\n    super().force_flush()\n    return True",
        ),
        ADVISORY,
        ["BP-07 a flush of the provider"],
    ),
    (
        "an exporter that is not flushed",
        "class Flushless:\n"
        "    def __init__(self, exporter):\n"
        "        self.export, self.shutdown = exporter.export, exporter.shutdown\n"
        "    def force_flush(self, timeout_millis=None):\n"
        "        return True\n"
        + simple(
            "def __init__(self, exporter):\n    super().__init__(Flushless(exporter))",
        )
        + batch(
            "def __init__(self, exporter, **named):\n"
            "    super().__init__(Flushless(exporter), **named)"
        ),
        DEVIATES,
        [
            "BP-08 ForceFlush of the exporter: simple processor",
            "BP-08 ForceFlush of the exporter: batching processor",
        ],
    ),
    (
        "a flush that does not wait",
        "ENOUGH = 0.3\n" + batch("def force_flush(self, timeout_millis=None):\n    return True"),
        DEVIATES,
        [
            "BP-08 spans that ended before",
            "BP-08 spans that ended while the exporter is busy",
            "BP-08 threads that end spans and flush",
        ],
    ),
    (
        "a flush without an end",
        "ENOUGH = 0.3\n"
        + batch("def force_flush(self, timeout_millis=None):\n    return super().force_flush()")
        + simple("def force_flush(self, timeout_millis=None):\n    return super().force_flush()"),
        DEVIATES,
        [
            "BP-09 the export of another thread hangs: simple processor",
            "BP-09 an export hangs: batching processor",
            "BP-09 the exporter's flush hangs: batching processor",
            "BP-09 the exporter's flush takes all the time it is given: simple processor",
        ],
    ),
    (
        "a provider that forgets its first processor",
        subclass(
            "Processors",
            "def each(self, method, *arguments, **named):\n"
            "    self._span_processors = self._span_processors[1:]\n"
            "    return super().each(method, *arguments, **named)",
        ),
        DEVIATES,
        ["BP-10 all processors", "BP-11 all processors, whatever they answer"],
    ),
    (
        "a provider that survives nothing",
        "Processors = SynchronousMultiSpanProcessor\n",
        DEVIATES,
        [
            "BP-10 a processor that raises in shutdown",
            "BP-11 a processor that raises in force_flush",
            "BP-13 a processor whose on_start raises",
            "BP-13 a processor whose on_end raises",
            "BP-13 a processor whose shutdown raises",
            "BP-13 a processor whose force_flush raises",
        ],
    ),
    (
        "a provider that goes on after shutdown",
        subclass("TracerProvider", "is_open = property(lambda self: True, lambda self, _: None)"),
        ADVISORY,
        ["BP-10 a tracer after shutdown"],
    ),
    (
        "a provider that shuts down twice",
        subclass("TracerProvider", "is_open = property(lambda self: True, lambda self, _: None)"),
        LICENSED,
        ["BP-10 a second shutdown"],
    ),
    (
        "a processor of one thread",
        simple(
            "owner = None\n"
            "def on_end(self, span):\n"
            "    self.owner = self.owner or threading.current_thread()\n"
            "    if self.owner is threading.current_thread():\n"
            "        super().on_end(span)"
        ),
        DEVIATES,
        ["BP-12 threads that end spans and flush"],
    ),
    (
        "a second shutdown that raises",
        batch(
            "count = 0\n"
            "def shutdown(self, timeout_millis=None):\n"
            "    self.count += 1\n"
            "    if self.count > 1:\n"
            "        raise RuntimeError\n"
            "    super().shutdown()"
        ),
        DEVIATES,
        ["BP-12 threads that shut down together"],
    ),
    (
        "a queue that is waited for",
        "ENOUGH = 0.3\n"
        + batch("def on_end(self, span):\n    super().on_end(span)\n    self.force_flush(9000)"),
        ADVISORY,
        ["BP-13 a span ends while the exporter is busy and the queue full"],
    ),
    (
        "an exporter that may raise",
        "Processors = SynchronousMultiSpanProcessor\n"
        + simple(
            "def on_end(self, span):\n"
            "    self.span_exporter.export((span,))\n"
            "def force_flush(self, timeout_millis=None):\n"
            "    return self.span_exporter.force_flush()\n"
            "def shutdown(self, timeout_millis=None):\n"
            "    self.span_exporter.shutdown()"
        ),
        DEVIATES,
        [
            "BP-13 an exporter whose export raises",
            "BP-13 an exporter whose flush raises",
            "BP-13 an exporter whose shutdown raises",
        ],
    ),
    (
        "a worker that dies",
        "ENOUGH = 1\nfrom opentelemetry.sdk.trace.export import BatchSpanProcessor\n",
        LICENSED,
        ["BP-13 an exporter that raises SystemExit in the background"],
    ),
    (
        "a lock that is not taken twice",
        "ENOUGH = 0.3\n"
        + simple(
            "def __init__(self, exporter):\n"
            "    super().__init__(exporter)\n"
            "    self.taken = threading.Lock()\n"
            "def on_end(self, span):\n"
            "    with self.taken:\n"
            "        super().on_end(span)"
        ),
        ADVISORY,
        ["BP-13 an exporter that ends a span itself"],
    ),
    (
        "processors in another order",
        subclass(
            "Processors",
            "def add_span_processor(self, one):\n"
            "    self._span_processors = (one, *self._span_processors)",
        ),
        DEVIATES,
        ["BP-14 the order of processors"],
    ),
    (
        "a processor that comes too late",
        subclass(
            "TracerProvider",
            "def add_span_processor(self, one):\n"
            "    if one.name != 'z':\n"
            "        super().add_span_processor(one)",
        ),
        DEVIATES,
        ["BP-14 a processor that is added later"],
    ),
    (
        "another try",
        simple("def on_end(self, span):\n    super().on_end(span)\n    super().on_end(span)"),
        ADVISORY,
        ["BP-16 exports that fail"],
    ),
    (
        "an exporter that exports after shutdown",
        subclass("ConsoleSpanExporter", "def shutdown(self):\n    pass"),
        ADVISORY,
        ["BP-17 exporters of the SDK"],
    ),
]


class Planted(Implementation):
    """What is right but for a fault, in this process."""

    def __init__(self, source: str = "") -> None:
        names: dict[str, Any] = {"__name__": "implementation"}
        exec(f"{program.knows('opentelemetry')}\n{RIGHT}\n{source}", names)
        self._operations = names["OFFERS"]
        self._fault = None
        self.about = About("implementation", "1", "", frozenset(self._operations))


OPTIONS = Options(cases=50)


@pytest.fixture(autouse=True)
def _little_shrinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a fault is found is asked here, not how simply it is told."""
    monkeypatch.setattr(run, "SHRINKING", 0.1)


# A fault may be that a thread ends by an exception.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("source", "verdict", "names"),
    [fault[1:] for fault in FAULTS],
    ids=[fault[0] for fault in FAULTS],
)
def test_a_fault_is_found(source: str, verdict: Verdict, names: Sequence[str]) -> None:
    target = Planted(source)
    # A fault that hangs is found at once.
    options = Options(cases=2) if "ENOUGH" in source else OPTIONS
    found = {name: run_check(CHECKS[name], target, options) for name in names}
    assert {name: (each.verdict, each.note) for name, each in found.items()} == {
        name: (verdict, CHECKS[name].licence) for name in names
    }


def test_each_check_finds_a_fault() -> None:
    assert {name for fault in FAULTS for name in fault[3]} == set(CHECKS)


def test_what_is_right_is_left_in_peace() -> None:
    target = Planted()
    found = {name: run_check(check, target, OPTIONS) for name, check in CHECKS.items()}
    assert {name: result.verdict for name, result in found.items()} == dict.fromkeys(
        CHECKS, Verdict.OK
    )


def test_what_is_verified_is_left_in_peace() -> None:
    found = [run_check(check, Implementation(), OPTIONS) for check in CHECKS.values()]
    assert {result.verdict for result in found} == {Verdict.OK, Verdict.NOT_OFFERED}
    assert sum(result.verdict is Verdict.OK for result in found) > len(found) / 2


def test_a_deviation_of_the_sdk_repeats_in_its_script() -> None:
    target = PackageTarget("opentelemetry", sys.executable)
    name = "BP-01 a span ends while the simple processor exports another"
    try:
        result = run_check(CHECKS[name], target, OPTIONS)
    finally:
        target.close()
    assert (result.verdict, result.got) == (DEVIATES, {"most": 2})
    assert "conform" not in result.script.replace("'conform'", "")


def test_random_numbers_are_taken_for_random() -> None:
    """With bounds that are a thousand million times as narrow, most numbers are refused."""
    random = Random(7)
    for _ in range(20):
        numbers = [random.getrandbits(64) for _ in range(identifiers.COUNT)]
        assert identifiers.is_random(numbers, 64)
    assert not identifiers.is_random(numbers, 64, odds=1e3)
