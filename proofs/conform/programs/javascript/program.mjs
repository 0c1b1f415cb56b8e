// Answers `verified conform` for @opentelemetry/api, core and sdk-trace; see ../../protocol.md.

import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";

import {
  ROOT_CONTEXT,
  baggageEntryMetadataFromString,
  defaultTextMapGetter,
  defaultTextMapSetter,
  isSpanContextValid,
  propagation,
  trace,
} from "@opentelemetry/api";
import { TraceState, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { AlwaysOnSampler, ParentBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";

const traceContext = new W3CTraceContextPropagator();
const baggage = new W3CBaggagePropagator();
const tracer = new TracerProvider({
  sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
}).getTracer("conform");

// As node:http hands headers to a server: fields of one name are joined.
function carrier(headers) {
  const joined = {};
  for (const [name, value] of headers) {
    joined[name] = Object.hasOwn(joined, name) ? `${joined[name]}, ${value}` : value;
  }
  return joined;
}

function extract(propagator, headers) {
  return propagator.extract(ROOT_CONTEXT, carrier(headers), defaultTextMapGetter);
}

function inject(propagator, context) {
  const headers = {};
  propagator.inject(context, headers, defaultTextMapSetter);
  return Object.entries(headers);
}

// A trace state shows its members only as a header.
function members(state) {
  const header = state?.serialize() ?? "";
  return header === "" ? [] : header.split(",").map(member);
}

function member(text) {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

function traceState(list) {
  return new TraceState(list.map(([key, value]) => `${key}=${value}`).join(","));
}

function described(spanContext) {
  return {
    trace_id: spanContext.traceId,
    span_id: spanContext.spanId,
    flags: spanContext.traceFlags,
    is_remote: spanContext.isRemote ?? false,
    trace_state: members(spanContext.traceState),
  };
}

function spanContext(span) {
  return {
    traceId: span.trace_id,
    spanId: span.span_id,
    traceFlags: span.flags ?? 0,
    isRemote: span.is_remote,
    traceState: span.trace_state?.length > 0 ? traceState(span.trace_state) : undefined,
  };
}

function entries(held) {
  return held
    .getAllEntries()
    .map(([name, entry]) => [name, entry.value, entry.metadata?.toString() ?? ""]);
}

function entry(value, metadata) {
  return metadata === "" ? { value } : { value, metadata: baggageEntryMetadataFromString(metadata) };
}

function held(list) {
  return list.reduce(
    (all, [name, value, metadata]) => all.setEntry(name, entry(value, metadata)),
    propagation.createBaggage(),
  );
}

const OPERATIONS = {
  "tracecontext.extract": ({ headers }) => {
    const found = trace.getSpanContext(extract(traceContext, headers));
    return { span: found === undefined ? null : described(found) };
  },
  "tracecontext.inject": ({ span }) => ({
    headers: inject(traceContext, trace.setSpanContext(ROOT_CONTEXT, spanContext(span))),
  }),
  "tracecontext.relay": ({ headers }) => ({
    headers: inject(traceContext, extract(traceContext, headers)),
  }),
  "tracecontext.continue": ({ headers }) => {
    const span = tracer.startSpan("s", {}, extract(traceContext, headers));
    const sent = inject(traceContext, trace.setSpan(ROOT_CONTEXT, span));
    span.end();
    return { headers: sent, span: described(span.spanContext()) };
  },
  "tracestate.apply": ({ members: list, operations }) => {
    let state = traceState(list);
    const steps = operations.map(([operation, key, value]) => {
      const before = state;
      try {
        state = operation === "delete" ? before.unset(key) : before.set(key, value);
      } catch (error) {
        return { raised: raised(error), before: members(before) };
      }
      return { members: members(state), before: members(before) };
    });
    return { steps };
  },
  "baggage.extract": ({ headers }) => {
    const found = propagation.getBaggage(extract(baggage, headers));
    return { entries: found === undefined ? [] : entries(found) };
  },
  "baggage.inject": ({ entries: list }) => ({
    headers: inject(baggage, propagation.setBaggage(ROOT_CONTEXT, held(list))),
  }),
  "baggage.relay": ({ headers }) => ({ headers: inject(baggage, extract(baggage, headers)) }),
  "baggage.apply": ({ entries: list, operations }) => {
    let after = held(list);
    const steps = operations.map(([operation, name, value]) => {
      const before = after;
      if (operation === "set") after = before.setEntry(name, entry(value, ""));
      else if (operation === "remove") after = before.removeEntry(name);
      else after = before.clear();
      return { entries: entries(after), before: entries(before) };
    });
    return { steps };
  },
  // Ids are texts here; the numbers are written with as many digits as ids have.
  "span_context.make": ({ trace_id, span_id, flags }) => {
    const made = {
      traceId: trace_id.padStart(32, "0"),
      spanId: span_id.padStart(16, "0"),
      traceFlags: flags,
    };
    return { is_valid: isSpanContextValid(made), trace_id: made.traceId, span_id: made.spanId };
  },
  "ids.generate": ({ count }) => ({
    ids: Array.from({ length: count }, () => {
      const { traceId, spanId } = tracer.startSpan("s", {}, ROOT_CONTEXT).spanContext();
      return [traceId, spanId];
    }),
  }),
};

function version(name) {
  return JSON.parse(readFileSync(findPackageJSON(name, import.meta.url), "utf8")).version;
}

function hello() {
  return {
    protocol: 1,
    name: "opentelemetry-js",
    version: `${version("@opentelemetry/sdk-trace")}, API ${version("@opentelemetry/api")}`,
    runtime: `Node.js ${process.versions.node}`,
    offers: Object.keys(OPERATIONS),
  };
}

function raised(error) {
  return { type: error?.constructor?.name ?? typeof error, message: String(error?.message ?? error) };
}

function reply({ id, operation, arguments: asked }) {
  if (operation === "hello") return { id, answer: hello() };
  if (!Object.hasOwn(OPERATIONS, operation)) return { id, refused: `there is no ${operation}` };
  try {
    return { id, answer: OPERATIONS[operation](asked) };
  } catch (error) {
    return { id, raised: raised(error) };
  }
}

let rest = "";
process.stdin.setEncoding("utf8");
for await (const chunk of process.stdin) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const line of lines) process.stdout.write(`${JSON.stringify(reply(JSON.parse(line)))}\n`);
}
