"""Knows the ids, samplers, span processors and the tracer provider of opentelemetry-sdk."""

from __future__ import annotations

import builtins
import inspect
import io
import json
import os
import sys
import threading
import time

from opentelemetry import context as contexts

try:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        ConsoleSpanExporter,
        SimpleSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import (
        ALWAYS_OFF,
        ALWAYS_ON,
        Decision,
        ParentBased,
        Sampler,
        SamplingResult,
        TraceIdRatioBased,
    )
except ImportError:
    TracerProvider = None
    SpanProcessor = SpanExporter = IdGenerator = Sampler = object
try:
    from opentelemetry.sdk.trace.sampling import AlwaysRecordSampler
except ImportError:
    AlwaysRecordSampler = None

# What a provider is given that makes ids as it comes.
IDS = {}

HOUR = 3600000
# Seconds in which something is done that nothing hinders, on a machine that is busy.
ENOUGH = 3


def span_context_assign(span):
    made = _span_context(span)
    other = trace.SpanContext(1, 2, not made.is_remote, trace.TraceFlags(made.trace_flags ^ 1))
    before = _described(made)
    for name in [name for name in dir(made) if not name.startswith("_")]:
        try:
            setattr(made, name, getattr(other, name))
        except Exception:
            pass
    return {"before": before, "after": _described(made)}


def noop_start(span, current):
    context = Context() if span is None else _within(_span_context(span))
    if current:
        token = contexts.attach(context)
        child = trace.get_tracer("conform").start_span("s")
        contexts.detach(token)
    else:
        child = trace.get_tracer("conform").start_span("s", context)
    sent = _inject(TraceContextTextMapPropagator(), trace.set_span_in_context(child, Context()))
    described = _described(child.get_span_context())
    return {"span": described, "is_recording": child.is_recording(), "headers": sent}


def _roots(tracer, count):
    spans = [tracer.start_span("s", Context()).get_span_context() for _ in range(count)]
    return [[trace.format_trace_id(s.trace_id), trace.format_span_id(s.span_id)] for s in spans]


def ids_generate(count):
    tracer = TracerProvider(**IDS).get_tracer("conform")
    flags = tracer.start_span("s", Context()).get_span_context().trace_flags
    return {"ids": _roots(tracer, count), "flags": int(flags)}


def ids_fork(count):
    tracer = TracerProvider(**IDS).get_tracer("conform")
    reads, writes = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(writes, json.dumps(_roots(tracer, count)).encode())
        finally:
            os._exit(0)
    os.close(writes)
    ids = _roots(tracer, count)
    with os.fdopen(reads) as stream:
        child = json.loads(stream.read())
    os.waitpid(process, 0)
    return {"parent": ids, "child": child}


class _Ids(IdGenerator):
    """Gives the ids that it is given, the last first."""

    def __init__(self, trace_ids, span_ids, is_random):
        self.trace_ids = [int(each, 16) for each in trace_ids]
        self.span_ids = [int(each, 16) for each in span_ids]
        self.is_random = is_random

    def generate_trace_id(self):
        return self.trace_ids.pop()

    def generate_span_id(self):
        return self.span_ids.pop()

    def is_trace_id_random(self):
        return self.is_random


def ids_custom(trace_ids, span_ids, is_random=False):
    ids = _Ids(trace_ids[::-1], span_ids[::-1], is_random)
    tracer = TracerProvider(id_generator=ids).get_tracer("conform")
    spans = [tracer.start_span("s", Context()).get_span_context() for _ in trace_ids]
    return {"spans": [_described(span) for span in spans]}


def ids_custom_random(trace_ids, span_ids, is_random):
    return ids_custom(trace_ids, span_ids, is_random)


class _Told(Sampler):
    """Decides as it is told, and writes down who was asked about which trace."""

    def __init__(self, told, asked):
        self.told = told
        self.asked = asked

    def should_sample(self, parent_context, trace_id, *arguments, **named):
        self.asked.append([self.told["name"], trace.format_trace_id(trace_id)])
        if "trace_state" in self.told:
            state = TraceState([tuple(member) for member in self.told["trace_state"]])
        else:
            state = trace.get_current_span(parent_context).get_span_context().trace_state
        return SamplingResult(Decision[self.told["decision"]], trace_state=state)

    def get_description(self):
        return self.told["name"]


def _sampler(described, asked):
    kind = described["sampler"]
    if kind == "told":
        return _Told(described, asked)
    if kind == "always_on":
        return ALWAYS_ON
    if kind == "always_off":
        return ALWAYS_OFF
    if kind == "trace_id_ratio_based":
        return TraceIdRatioBased(described["ratio"])
    named = {k: _sampler(v, asked) for k, v in described.items() if k != "sampler"}
    return ParentBased(**named) if kind == "parent_based" else AlwaysRecordSampler(**named)


def _decided(sampler, span):
    parent = span.get("parent")
    context = Context() if parent is None else _within(_span_context(parent))
    # Releases differ in where they look for the trace state of the parent.
    state = trace.get_current_span(context).get_span_context().trace_state
    return sampler.should_sample(
        parent_context=context,
        trace_id=int(span["trace_id"], 16),
        name=span.get("name", "s"),
        trace_state=state if parent else None,
    )


def sampler_decide(samplers, spans):
    answers = []
    for described in samplers:
        asked = []
        sampler = _sampler(described, asked)
        results = []
        for span in spans:
            result = _decided(sampler, span)
            state = _members(result.trace_state or TraceState())
            results.append({"decision": result.decision.name, "trace_state": state})
        description = sampler.get_description()
        answers.append({"description": description, "results": results, "asked": asked})
    return {"samplers": answers}


def sampler_always_record(samplers, spans):
    return sampler_decide(samplers, spans)


def sampler_threads(sampler, spans, threads):
    one = _sampler(sampler, [])
    ready = threading.Barrier(threads)

    def ask(found):
        ready.wait(ENOUGH)
        for span in spans:
            found.append([_decided(one, span).decision.name, one.get_description()])

    alone = []
    for span in spans:
        alone.append([_decided(one, span).decision.name, one.get_description()])
    together = [[] for _ in range(threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    started = [_thread(ask, found) for found in together]
    _join(*started)
    sys.setswitchinterval(interval)
    return {"alone": alone, "together": together}


class _Processor(SpanProcessor):
    """Writes down its name and what it is asked; raises or answers as it is told."""

    def __init__(self, name, calls, raises=(), answer=True):
        self.name = name
        self.calls = calls
        self.raises = raises
        self.answer = answer

    def _called(self, method):
        self.calls.append([self.name, method])
        if method in self.raises:
            raise ValueError(method)

    def on_start(self, span, parent_context=None):
        self._called("on_start")

    def on_end(self, span):
        self._called("on_end")

    def shutdown(self):
        self._called("shutdown")

    def force_flush(self, timeout_millis=30000):
        self._called("force_flush")
        return self.answer


def tracer_start(sampler, parent, count):
    asked, calls, spans = [], [], []
    provider = TracerProvider(sampler=_sampler(sampler, asked), shutdown_on_exit=False)
    provider.add_span_processor(_Processor("processor", calls))
    context = Context() if parent is None else _within(_span_context(parent))
    for _ in range(count):
        span = provider.get_tracer("conform").start_span("s", context)
        is_recording = span.is_recording()
        span.end()
        spans.append({"span": _described(span.get_span_context()), "is_recording": is_recording})
    received = [method for _, method in calls]
    return {"spans": spans, "asked": asked, "processor": received}


def _thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _join(*threads):
    """Whether threads end while there is time enough."""
    until = time.monotonic() + ENOUGH
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _done(function, *arguments):
    """What comes of a call: what it returns, what it raises, or that it hangs."""
    results = []

    def call():
        try:
            returned = function(*arguments)
        except BaseException as error:
            results.append({"raised": type(error).__name__})
        else:
            results.append({"returned": returned if isinstance(returned, bool) else None})

    _join(_thread(call))
    return results[0] if results else {"hangs": True}


def provider_run(processors, steps):
    calls = []
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    tracer = provider.get_tracer("conform")

    def add(told):
        provider.add_span_processor(_Processor(calls=calls, **told))

    def span():
        tracer.start_span("s", Context()).end()

    def another_tracer():
        made = provider.get_tracer("another").start_span("s", Context())
        is_recording = made.is_recording()
        made.end()
        return is_recording

    for told in processors:
        add(told)
    done = {"add": add, "span": span, "another_tracer": another_tracer}
    done.update(force_flush=provider.force_flush, shutdown=provider.shutdown)
    results = []
    for operation, *arguments in steps:
        result = _done(done[operation], *arguments)
        result["calls"], calls[:] = list(calls), []
        results.append(result)
        if "hangs" in result:
            break
    return {"steps": results}


class _Exporter(SpanExporter):
    """Writes down what it is asked; raises or answers as it is told."""

    def __init__(self, raises=(), answer="SUCCESS"):
        self.calls = []
        self.raises = dict(raises)
        self.answer = answer

    def _called(self, method, *spans):
        self.calls.append([method, *spans])
        if method in self.raises:
            raise getattr(builtins, self.raises[method])(method)

    def export(self, spans):
        self._called("export", *[span.name for span in spans])
        return SpanExportResult[self.answer]

    def force_flush(self, timeout_millis=30000):
        self._called("force_flush")
        return True

    def shutdown(self):
        self._called("shutdown")

    def exported(self):
        return [name for method, *names in list(self.calls) for name in names]


class _Held(_Exporter):
    """An exporter that stays in a method until it is released."""

    def __init__(self, holds="export", keeps_time=False):
        super().__init__()
        self.holds = holds
        self.keeps_time = keeps_time
        self.busy = self.most = 0
        self.lock = threading.Lock()
        self.entered, self.entered_twice = threading.Event(), threading.Event()
        self.released = threading.Event()

    def export(self, spans):
        with self.lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        if self.busy > 1:
            self.entered_twice.set()
        answer = super().export(spans)
        if self.holds == "export":
            self.entered.set()
            self.released.wait(3 * ENOUGH)
        with self.lock:
            self.busy -= 1
        return answer

    def force_flush(self, timeout_millis=30000):
        super().force_flush(timeout_millis)
        if self.holds == "force_flush":
            most = timeout_millis / 1000 if self.keeps_time else 3 * ENOUGH
            return self.released.wait(most)
        return True


class _Counting(_Exporter):
    """An exporter that tells when it has exported so many spans."""

    def __init__(self, spans):
        super().__init__()
        self.spans = spans
        self.complete = threading.Event()

    def export(self, spans):
        answer = super().export(spans)
        if len(self.exported()) >= self.spans:
            self.complete.set()
        return answer


def _processor(kind, exporter, schedule_delay_millis=HOUR, **limits):
    if kind == "simple":
        return SimpleSpanProcessor(exporter)
    limits = {"max_queue_size": 100, "max_export_batch_size": 50, **limits}
    return BatchSpanProcessor(exporter, schedule_delay_millis=schedule_delay_millis, **limits)


def _tracer(processor, sampler=None):
    provider = TracerProvider(sampler=sampler or ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider.get_tracer("conform")


def _end(tracer, names):
    for name in names:
        tracer.start_span(name, Context()).end()


def processor_run(processor, steps, decision="RECORD_AND_SAMPLE", batch=10, raises=(),
                  answer="SUCCESS"):  # fmt: skip
    exporter = _Exporter(raises, answer)
    one = _processor(processor, exporter, max_export_batch_size=batch)
    tracer = _tracer(one, _Told({"name": "s", "decision": decision}, []))
    done = {"end": lambda *names: _end(tracer, names)}
    done.update(force_flush=one.force_flush, shutdown=one.shutdown)
    results = []
    for operation, *names in steps:
        result = _done(done[operation], *names)
        result["calls"] = list(exporter.calls)
        results.append(result)
        if "hangs" in result:
            break
    _done(one.shutdown)
    return {"steps": results, "calls": exporter.calls}


class _Nested(_Exporter):
    """An exporter that ends a span itself, in its first export."""

    def export(self, spans):
        answer = super().export(spans)
        if len(self.calls) == 1:
            _end(self.tracer, ["nested"])
        return answer


def processor_nested(processor):
    exporter = _Nested()
    one = _processor(processor, exporter)
    exporter.tracer = _tracer(one)
    steps = [_done(_end, exporter.tracer, ["s"]), _done(one.force_flush), _done(one.shutdown)]
    return {"steps": steps, "calls": exporter.calls}


def processor_concurrent(processor, second):
    exporter = _Held()
    one = _processor(processor, exporter, max_export_batch_size=1)
    tracer = _tracer(one)
    first = _thread(_end, tracer, ["first"])
    exporter.entered.wait(ENOUGH)
    if second == "end":
        other = _thread(_end, tracer, ["second"])
    else:
        _end(tracer, ["second"])
        other = _thread(getattr(one, second))
    exporter.entered_twice.wait(1)
    exporter.released.set()
    _join(first, other)
    _done(one.shutdown)
    return {"most": exporter.most}


def processor_timeout(processor, holds, timeout_millis, operation="force_flush", keeps_time=False):
    exporter = _Held(holds, keeps_time)
    one = _processor(processor, exporter, max_export_batch_size=1)
    ending = _thread(_end, _tracer(one), ["s"])
    if holds == "export":
        exporter.entered.wait(ENOUGH)
    else:
        _join(ending)
    result = _done(getattr(one, operation), timeout_millis)
    exporter.released.set()
    _join(ending)
    _done(one.shutdown)
    return {"result": result}


def processor_shutdown_timeout(processor, timeout_millis):
    return processor_timeout(processor, "export", timeout_millis, "shutdown")


def batch_busy(max_queue_size, max_export_batch_size, spans, waits=False):
    exporter = _Held()
    limits = {"max_queue_size": max_queue_size, "max_export_batch_size": max_export_batch_size}
    one = _processor("batch", exporter, **limits)
    tracer = _tracer(one)
    _end(tracer, ["first"])
    flushing = _thread(one.force_flush)
    exporter.entered.wait(ENOUGH)
    ended = _done(_end, tracer, [str(number) for number in range(spans)])
    flushed = []
    again = _thread(lambda: flushed.append([_done(one.force_flush), exporter.exported()]))
    if waits:
        again.join(ENOUGH / 4)
    exporter.released.set()
    _join(flushing, again)
    _done(one.shutdown)
    result, exported = (flushed or [[{"hangs": True}, []]])[0]
    return {"ended": ended, "flush": result, "flushed": exported, "calls": exporter.calls}


def batch_trigger(trigger, max_export_batch_size, spans):
    exporter = _Counting(spans)
    delay = 20 if trigger == "delay" else HOUR
    one = _processor("batch", exporter, delay, max_export_batch_size=max_export_batch_size)
    _end(_tracer(one), [str(number) for number in range(spans)])
    exporter.complete.wait(ENOUGH)
    exported = exporter.exported()
    _done(one.shutdown)
    return {"exported": exported}


def processor_threads(processor, threads, spans, batch):
    exporter = _Exporter()
    limits = {"max_queue_size": threads * spans + batch, "max_export_batch_size": batch}
    one = _processor(processor, exporter, **limits)
    tracer = _tracer(one)
    ready = threading.Barrier(threads)
    raised, unflushed = [], []

    def work(number):
        names = ["%d-%d" % (number, each) for each in range(spans)]
        ready.wait(ENOUGH)
        try:
            _end(tracer, names)
            if one.force_flush():
                unflushed.extend(set(names) - set(exporter.exported()))
        except BaseException as error:
            raised.append(type(error).__name__)

    ended = _join(*[_thread(work, number) for number in range(threads)])
    _done(one.shutdown)
    exported = sorted(exporter.exported())
    return {"ended": ended, "raised": raised, "unflushed": unflushed, "exported": exported}


def processor_shutdown_together(processor, threads, spans):
    exporter = _Exporter()
    one = _processor(processor, exporter)
    _end(_tracer(one), [str(number) for number in range(spans)])
    ready = threading.Barrier(threads)
    results = []

    def shut_down():
        ready.wait(ENOUGH)
        results.append(_done(one.shutdown))

    _join(*[_thread(shut_down) for _ in range(threads)])
    return {"results": results, "calls": exporter.calls}


def exporter_after_shutdown(exporter):
    made = []

    class Collect(SpanProcessor):
        def on_end(self, span):
            made.append(span)

    _end(_tracer(Collect()), ["s"])
    if exporter == "console":
        one = ConsoleSpanExporter(out=io.StringIO())
    else:
        one = InMemorySpanExporter()
    before = one.export(made)
    one.shutdown()
    return {"before": before.name, "after": one.export(made).name}


OFFERS.update({"noop.start": noop_start, "span_context.assign": span_context_assign})
if TracerProvider is not None:
    OFFERS.update(
        {
            "ids.generate": ids_generate,
            "ids.custom": ids_custom,
            "sampler.decide": sampler_decide,
            "sampler.threads": sampler_threads,
            "tracer.start": tracer_start,
            "provider.run": provider_run,
            "processor.run": processor_run,
            "processor.nested": processor_nested,
            "processor.concurrent": processor_concurrent,
            "processor.timeout": processor_timeout,
            "processor.threads": processor_threads,
            "processor.shutdown_together": processor_shutdown_together,
            "batch.busy": batch_busy,
            "batch.trigger": batch_trigger,
            "exporter.after_shutdown": exporter_after_shutdown,
        }
    )
    if AlwaysRecordSampler is not None:
        OFFERS["sampler.always_record"] = sampler_always_record
    if hasattr(IdGenerator, "is_trace_id_random"):
        OFFERS["ids.custom_random"] = ids_custom_random
    if "timeout_millis" in inspect.signature(BatchSpanProcessor.shutdown).parameters:
        OFFERS["processor.shutdown_timeout"] = processor_shutdown_timeout
    if hasattr(os, "fork"):
        OFFERS["ids.fork"] = ids_fork
