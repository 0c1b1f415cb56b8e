// Answers `verified conform` for io.opentelemetry's API and SDK; see ../../protocol.md.

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.BaggageBuilder;
import io.opentelemetry.api.baggage.BaggageEntryMetadata;
import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.TraceStateBuilder;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.context.propagation.TextMapSetter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;

final class Program {
  private static final Gson JSON =
      new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private static final TextMapPropagator TRACE_CONTEXT = W3CTraceContextPropagator.getInstance();
  private static final TextMapPropagator BAGGAGE = W3CBaggagePropagator.getInstance();
  // Without a processor there would be no spans at all.
  private static final Tracer TRACER =
      SdkTracerProvider.builder()
          .setSampler(Sampler.parentBased(Sampler.alwaysOn()))
          .addSpanProcessor(SimpleSpanProcessor.create(SpanExporter.composite()))
          .build()
          .get("conform");

  private record Request(int id, String operation, Arguments arguments) {}

  /** What an operation is asked, of all operations. */
  private record Arguments(
      List<List<String>> headers,
      SpanArguments span,
      List<List<String>> members,
      List<List<String>> entries,
      List<List<String>> operations,
      String trace_id,
      String span_id,
      int flags,
      int count) {}

  private record SpanArguments(
      String trace_id,
      String span_id,
      int flags,
      boolean is_remote,
      List<List<String>> trace_state) {}

  private interface Operation extends Function<Arguments, Object> {}

  private static final Map<String, Operation> OPERATIONS = new TreeMap<>();

  static {
    OPERATIONS.put("tracecontext.extract", Program::extractSpan);
    OPERATIONS.put("tracecontext.inject", asked -> sent(TRACE_CONTEXT, within(asked.span)));
    OPERATIONS.put("tracecontext.relay", asked -> relayed(TRACE_CONTEXT, asked));
    OPERATIONS.put("tracecontext.continue", Program::continued);
    OPERATIONS.put("tracestate.apply", Program::applyToTraceState);
    OPERATIONS.put(
        "baggage.extract",
        asked -> Map.of("entries", entries(Baggage.fromContext(extract(BAGGAGE, asked)))));
    OPERATIONS.put(
        "baggage.inject",
        asked -> sent(BAGGAGE, Context.root().with(baggage(asked.entries))));
    OPERATIONS.put("baggage.relay", asked -> relayed(BAGGAGE, asked));
    OPERATIONS.put("baggage.apply", Program::applyToBaggage);
    OPERATIONS.put("span_context.make", Program::made);
    OPERATIONS.put("ids.generate", Program::ids);
  }

  /** Headers as servers hand them to instrumentation: the first of a name, or all of them. */
  private enum Headers implements TextMapGetter<List<List<String>>>,
      TextMapSetter<List<List<String>>> {
    INSTANCE;

    @Override
    public Iterable<String> keys(List<List<String>> headers) {
      return headers.stream().map(header -> header.get(0)).toList();
    }

    @Override
    public String get(List<List<String>> headers, String name) {
      return values(headers, name).findFirst().orElse(null);
    }

    @Override
    public Iterator<String> getAll(List<List<String>> headers, String name) {
      return values(headers, name).iterator();
    }

    @Override
    public void set(List<List<String>> headers, String name, String value) {
      headers.removeIf(header -> header.get(0).equalsIgnoreCase(name));
      headers.add(List.of(name, value));
    }

    private static Stream<String> values(List<List<String>> headers, String name) {
      return headers.stream()
          .filter(header -> header.get(0).equalsIgnoreCase(name))
          .map(header -> header.get(1));
    }
  }

  private static Context extract(TextMapPropagator propagator, Arguments asked) {
    return propagator.extract(Context.root(), asked.headers, Headers.INSTANCE);
  }

  private static List<List<String>> inject(TextMapPropagator propagator, Context context) {
    List<List<String>> headers = new ArrayList<>();
    propagator.inject(context, headers, Headers.INSTANCE);
    return headers;
  }

  private static Object sent(TextMapPropagator propagator, Context context) {
    return Map.of("headers", inject(propagator, context));
  }

  private static Object relayed(TextMapPropagator propagator, Arguments asked) {
    return sent(propagator, extract(propagator, asked));
  }

  private static Object extractSpan(Arguments asked) {
    Span span = Span.fromContextOrNull(extract(TRACE_CONTEXT, asked));
    Object described = span == null ? null : described(span.getSpanContext());
    return Collections.singletonMap("span", described);
  }

  private static Object continued(Arguments asked) {
    Span span =
        TRACER.spanBuilder("s").setParent(extract(TRACE_CONTEXT, asked)).startSpan();
    List<List<String>> headers = inject(TRACE_CONTEXT, Context.root().with(span));
    span.end();
    return Map.of("headers", headers, "span", described(span.getSpanContext()));
  }

  private static Object applyToTraceState(Arguments asked) {
    TraceState state = traceState(asked.members);
    List<Object> steps = new ArrayList<>();
    for (List<String> operation : asked.operations) {
      TraceState before = state;
      Map<String, Object> step = new HashMap<>();
      try {
        TraceStateBuilder builder = before.toBuilder();
        state =
            (operation.get(0).equals("delete")
                    ? builder.remove(operation.get(1))
                    : builder.put(operation.get(1), operation.get(2)))
                .build();
        step.put("members", members(state));
      } catch (Throwable thrown) {
        step.put("raised", raised(thrown));
      }
      step.put("before", members(before));
      steps.add(step);
    }
    return Map.of("steps", steps);
  }

  private static Object applyToBaggage(Arguments asked) {
    Baggage baggage = baggage(asked.entries);
    List<Object> steps = new ArrayList<>();
    for (List<String> operation : asked.operations) {
      Baggage before = baggage;
      baggage =
          switch (operation.get(0)) {
            case "set" -> before.toBuilder().put(operation.get(1), operation.get(2)).build();
            case "remove" -> before.toBuilder().remove(operation.get(1)).build();
            default -> Baggage.empty();
          };
      steps.add(Map.of("entries", entries(baggage), "before", entries(before)));
    }
    return Map.of("steps", steps);
  }

  // Ids are texts here; the numbers are written with as many digits as ids have.
  private static Object made(Arguments asked) {
    SpanContext made =
        SpanContext.create(
            padded(asked.trace_id, 32),
            padded(asked.span_id, 16),
            TraceFlags.fromByte((byte) asked.flags),
            TraceState.getDefault());
    return Map.of(
        "is_valid", made.isValid(), "trace_id", made.getTraceId(), "span_id", made.getSpanId());
  }

  private static Object ids(Arguments asked) {
    List<Object> ids = new ArrayList<>();
    for (int i = 0; i < asked.count; i++) {
      SpanContext span = TRACER.spanBuilder("s").setNoParent().startSpan().getSpanContext();
      ids.add(List.of(span.getTraceId(), span.getSpanId()));
    }
    return Map.of("ids", ids);
  }

  private static String padded(String digits, int size) {
    return "0".repeat(Math.max(0, size - digits.length())) + digits;
  }

  private static List<List<String>> members(TraceState state) {
    List<List<String>> members = new ArrayList<>();
    state.forEach((key, value) -> members.add(List.of(key, value)));
    return members;
  }

  /** What is put last stands first. */
  private static TraceState traceState(List<List<String>> members) {
    TraceStateBuilder builder = TraceState.builder();
    for (int i = members == null ? 0 : members.size(); i-- > 0; ) {
      builder.put(members.get(i).get(0), members.get(i).get(1));
    }
    return builder.build();
  }

  private static Object described(SpanContext span) {
    return Map.of(
        "trace_id", span.getTraceId(),
        "span_id", span.getSpanId(),
        "flags", Byte.toUnsignedInt(span.getTraceFlags().asByte()),
        "is_remote", span.isRemote(),
        "trace_state", members(span.getTraceState()));
  }

  private static Context within(SpanArguments span) {
    TraceFlags flags = TraceFlags.fromByte((byte) span.flags);
    TraceState state = traceState(span.trace_state);
    SpanContext made =
        span.is_remote
            ? SpanContext.createFromRemoteParent(span.trace_id, span.span_id, flags, state)
            : SpanContext.create(span.trace_id, span.span_id, flags, state);
    return Context.root().with(Span.wrap(made));
  }

  private static List<List<String>> entries(Baggage baggage) {
    List<List<String>> entries = new ArrayList<>();
    baggage.forEach(
        (name, entry) ->
            entries.add(List.of(name, entry.getValue(), entry.getMetadata().getValue())));
    return entries;
  }

  private static Baggage baggage(List<List<String>> entries) {
    BaggageBuilder builder = Baggage.builder();
    for (List<String> entry : entries) {
      builder.put(entry.get(0), entry.get(1), BaggageEntryMetadata.create(entry.get(2)));
    }
    return builder.build();
  }

  private static Object hello() {
    return Map.of(
        "protocol", 1,
        "name", "opentelemetry-java",
        "version",
            Resource.getDefault().getAttribute(AttributeKey.stringKey("telemetry.sdk.version")),
        "runtime", "Java " + Runtime.version().feature(),
        "offers", OPERATIONS.keySet());
  }

  private static Map<String, Object> raised(Throwable thrown) {
    String message = thrown.getMessage() == null ? "" : thrown.getMessage();
    return Map.of("type", thrown.getClass().getSimpleName(), "message", message);
  }

  private static Map<String, Object> reply(Request request) {
    if (request.operation.equals("hello")) {
      return Map.of("id", request.id, "answer", hello());
    }
    Operation operation = OPERATIONS.get(request.operation);
    if (operation == null) {
      return Map.of("id", request.id, "refused", "there is no " + request.operation);
    }
    try {
      return Map.of("id", request.id, "answer", operation.apply(request.arguments));
    } catch (Throwable thrown) {
      return Map.of("id", request.id, "raised", raised(thrown));
    }
  }

  public static void main(String[] arguments) throws IOException {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, UTF_8));
    PrintStream output = new PrintStream(new FileOutputStream(FileDescriptor.out), false, UTF_8);
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      output.append(JSON.toJson(reply(JSON.fromJson(line, Request.class)))).append('\n');
      output.flush();
    }
  }
}
