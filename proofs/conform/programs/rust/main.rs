//! Answers `verified conform` for opentelemetry and opentelemetry_sdk; see ../../protocol.md.

use std::any::Any;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::baggage::{Baggage, BaggageExt};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, Key};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use serde::Deserialize;
use serde_json::{Value, json};

const OFFERS: [&str; 11] = [
    "baggage.apply",
    "baggage.extract",
    "baggage.inject",
    "baggage.relay",
    "ids.generate",
    "span_context.make",
    "tracecontext.continue",
    "tracecontext.extract",
    "tracecontext.inject",
    "tracecontext.relay",
    "tracestate.apply",
];

#[derive(Deserialize)]
struct Request {
    id: u64,
    operation: String,
    arguments: Arguments,
}

/// What an operation is asked, of all operations.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Arguments {
    headers: Vec<(String, String)>,
    span: SpanArguments,
    members: Vec<(String, String)>,
    entries: Vec<(String, String, String)>,
    operations: Vec<Vec<String>>,
    trace_id: String,
    span_id: String,
    flags: u8,
    count: usize,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SpanArguments {
    trace_id: String,
    span_id: String,
    flags: u8,
    is_remote: bool,
    trace_state: Vec<(String, String)>,
}

/// Headers as `http::HeaderMap` holds them, but of any text.
#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key)?.first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then_some(values)
    }
}

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
        self.0.push((key.to_owned(), value));
    }
}

fn extract(propagator: &dyn TextMapPropagator, headers: Vec<(String, String)>) -> Context {
    propagator.extract_with_context(&Context::new(), &Headers(headers))
}

fn inject(propagator: &dyn TextMapPropagator, context: &Context) -> Vec<(String, String)> {
    let mut headers = Headers::default();
    propagator.inject_context(context, &mut headers);
    headers.0
}

fn members(state: &TraceState) -> Vec<(&str, &str)> {
    state.into_iter().collect()
}

/// What the propagator makes of members as well: none where the implementation returns an error.
fn trace_state(members: Vec<(String, String)>) -> TraceState {
    TraceState::from_key_value(members).unwrap_or_default()
}

fn described(span: &SpanContext) -> Value {
    json!({
        "trace_id": span.trace_id().to_string(),
        "span_id": span.span_id().to_string(),
        "flags": span.trace_flags().to_u8(),
        "is_remote": span.is_remote(),
        "trace_state": members(span.trace_state()),
    })
}

/// A span context, unless an id is no number of its width.
fn span_context(span: SpanArguments) -> Result<SpanContext, String> {
    Ok(SpanContext::new(
        TraceId::from_hex(&span.trace_id).map_err(|error| error.to_string())?,
        SpanId::from_hex(&span.span_id).map_err(|error| error.to_string())?,
        TraceFlags::new(span.flags),
        span.is_remote,
        trace_state(span.trace_state),
    ))
}

fn entries(context: &Context) -> Vec<(&str, &str, &str)> {
    let held = context.baggage().iter();
    held.map(|(name, (value, metadata))| (name.as_str(), value.as_str(), metadata.as_str()))
        .collect()
}

fn with_baggage(entries: Vec<(String, String, String)>) -> Context {
    let mut baggage = Baggage::new();
    for (name, value, metadata) in entries {
        baggage.insert_with_metadata(name, value, metadata);
    }
    Context::new().with_baggage(baggage)
}

/// Baggage is changed in place, but never that of a context: what changes is a copy.
fn applied(context: &Context, operation: &[String]) -> Context {
    let held = context.baggage().iter();
    let mut baggage: Baggage = held.map(|(name, held)| (name.clone(), held.clone())).collect();
    match operation {
        [kind, name, value] if kind == "set" => {
            baggage.insert(name.clone(), value.clone());
        }
        [kind, name] if kind == "remove" => {
            baggage.remove(name);
        }
        _ => return context.with_cleared_baggage(),
    }
    context.with_baggage(baggage)
}

/// The answer to an operation, or why the program cannot do it.
fn answer(operation: &str, asked: Arguments, tracer: &SdkTracer) -> Result<Value, String> {
    let trace_context = TraceContextPropagator::new();
    let baggage = BaggagePropagator::new();
    Ok(match operation {
        "tracecontext.extract" => {
            let context = extract(&trace_context, asked.headers);
            let span = context.has_active_span().then(|| described(context.span().span_context()));
            json!({"span": span})
        }
        "tracecontext.inject" => {
            let context = Context::new().with_remote_span_context(span_context(asked.span)?);
            json!({"headers": inject(&trace_context, &context)})
        }
        "tracecontext.relay" => {
            let context = extract(&trace_context, asked.headers);
            json!({"headers": inject(&trace_context, &context)})
        }
        "tracecontext.continue" => {
            let parent = extract(&trace_context, asked.headers);
            let context = Context::new().with_span(tracer.start_with_context("s", &parent));
            let sent = inject(&trace_context, &context);
            json!({"headers": sent, "span": described(context.span().span_context())})
        }
        "tracestate.apply" => {
            let mut state = trace_state(asked.members);
            let mut steps = Vec::new();
            for operation in &asked.operations {
                let before = state.clone();
                let result = catch_unwind(AssertUnwindSafe(|| match operation.as_slice() {
                    [_, key] => before.delete(key),
                    [_, key, value] => before.insert(key, value),
                    _ => unreachable!("an operation has a key"),
                }));
                steps.push(match result {
                    Err(thrown) => json!({"raised": raised(&*thrown), "before": members(&before)}),
                    // What is returned as an error leaves its caller with what there was.
                    Ok(after) => {
                        state = after.unwrap_or_else(|_| before.clone());
                        json!({"members": members(&state), "before": members(&before)})
                    }
                });
            }
            json!({"steps": steps})
        }
        "baggage.extract" => json!({"entries": entries(&extract(&baggage, asked.headers))}),
        "baggage.inject" => json!({"headers": inject(&baggage, &with_baggage(asked.entries))}),
        "baggage.relay" => {
            json!({"headers": inject(&baggage, &extract(&baggage, asked.headers))})
        }
        "baggage.apply" => {
            let mut context = with_baggage(asked.entries);
            let mut steps = Vec::new();
            for operation in &asked.operations {
                let after = applied(&context, operation);
                steps.push(json!({"entries": entries(&after), "before": entries(&context)}));
                context = after;
            }
            json!({"steps": steps})
        }
        "span_context.make" => {
            let made = span_context(SpanArguments {
                trace_id: asked.trace_id,
                span_id: asked.span_id,
                flags: asked.flags,
                ..Default::default()
            })?;
            json!({
                "is_valid": made.is_valid(),
                "trace_id": made.trace_id().to_string(),
                "span_id": made.span_id().to_string(),
            })
        }
        "ids.generate" => {
            let ids = (0..asked.count).map(|_| {
                let span = tracer.start_with_context("s", &Context::new());
                let made = span.span_context();
                (made.trace_id().to_string(), made.span_id().to_string())
            });
            json!({"ids": ids.collect::<Vec<_>>()})
        }
        _ => return Err(format!("there is no {operation}")),
    })
}

fn hello() -> Value {
    let resource = Resource::builder().build();
    let version = resource.get(&Key::from_static_str("telemetry.sdk.version"));
    json!({
        "protocol": 1,
        "name": "opentelemetry-rust",
        "version": version.map(|value| value.to_string()),
        "runtime": "Rust",
        "offers": OFFERS,
    })
}

fn raised(thrown: &(dyn Any + Send)) -> Value {
    let message = thrown
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| thrown.downcast_ref::<&str>().copied());
    json!({"type": "panic", "message": message.unwrap_or_default()})
}

fn reply(line: &str, tracer: &SdkTracer) -> Result<Value, serde_json::Error> {
    let Request { id, operation, arguments } = serde_json::from_str(line)?;
    if operation == "hello" {
        return Ok(json!({"id": id, "answer": hello()}));
    }
    let result = catch_unwind(AssertUnwindSafe(|| answer(&operation, arguments, tracer)));
    Ok(match result {
        Ok(Ok(answer)) => json!({"id": id, "answer": answer}),
        Ok(Err(refused)) => json!({"id": id, "refused": refused}),
        Err(thrown) => json!({"id": id, "raised": raised(&*thrown)}),
    })
}

fn main() -> io::Result<()> {
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .build();
    let tracer = provider.tracer("conform");
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        writeln!(output, "{}", reply(&line?, &tracer)?)?;
        output.flush()?;
    }
    Ok(())
}
