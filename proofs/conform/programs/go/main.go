// Answers `verified conform` for go.opentelemetry.io/otel; see ../../protocol.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type object = map[string]any

// What an operation is asked, of all operations.
type arguments struct {
	Headers    [][2]string `json:"headers"`
	Span       span        `json:"span"`
	Members    [][2]string `json:"members"`
	Entries    [][3]string `json:"entries"`
	Operations [][]string  `json:"operations"`
	TraceID    string      `json:"trace_id"`
	SpanID     string      `json:"span_id"`
	Flags      byte        `json:"flags"`
	Count      int         `json:"count"`
}

type span struct {
	TraceID    string      `json:"trace_id"`
	SpanID     string      `json:"span_id"`
	Flags      byte        `json:"flags"`
	IsRemote   bool        `json:"is_remote"`
	TraceState [][2]string `json:"trace_state"`
}

// refused says what the program cannot do, whatever the implementation does.
type refused string

var tracer = sdktrace.NewTracerProvider(
	sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
).Tracer("conform")

// carrier holds headers as net/http hands them to a server.
func carrier(headers [][2]string) propagation.HeaderCarrier {
	held := http.Header{}
	for _, header := range headers {
		held.Add(header[0], header[1])
	}
	return propagation.HeaderCarrier(held)
}

func extract(propagator propagation.TextMapPropagator, headers [][2]string) context.Context {
	return propagator.Extract(context.Background(), carrier(headers))
}

func inject(propagator propagation.TextMapPropagator, ctx context.Context) [][2]string {
	held := propagation.HeaderCarrier{}
	propagator.Inject(ctx, held)
	sent := [][2]string{}
	for _, name := range slices.Sorted(maps.Keys(held)) {
		for _, value := range held[name] {
			sent = append(sent, [2]string{name, text(value)})
		}
	}
	return sent
}

// text shows bytes that are no UTF-8 as they are, where JSON would replace them.
func text(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	return fmt.Sprintf("%+q", value)
}

func members(state trace.TraceState) [][2]string {
	found := [][2]string{}
	state.Walk(func(key, value string) bool {
		found = append(found, [2]string{text(key), text(value)})
		return true
	})
	return found
}

// traceState is what the implementation makes of members, also where it returns an error.
func traceState(list [][2]string) trace.TraceState {
	texts := make([]string, len(list))
	for i, member := range list {
		texts[i] = member[0] + "=" + member[1]
	}
	state, _ := trace.ParseTraceState(strings.Join(texts, ","))
	return state
}

func described(sc trace.SpanContext) object {
	return object{
		"trace_id":    sc.TraceID().String(),
		"span_id":     sc.SpanID().String(),
		"flags":       int(sc.TraceFlags()),
		"is_remote":   sc.IsRemote(),
		"trace_state": members(sc.TraceState()),
	}
}

// number writes a number in hexadecimal into the bytes of an id.
func number(digits string, bytes []byte) {
	value, isNumber := new(big.Int).SetString(digits, 16)
	if !isNumber || value.BitLen() > 8*len(bytes) {
		panic(refused(fmt.Sprintf("an id of %d bytes cannot be %q", len(bytes), digits)))
	}
	value.FillBytes(bytes)
}

func spanContext(asked span) trace.SpanContext {
	config := trace.SpanContextConfig{
		TraceFlags: trace.TraceFlags(asked.Flags),
		TraceState: traceState(asked.TraceState),
		Remote:     asked.IsRemote,
	}
	number(asked.TraceID, config.TraceID[:])
	number(asked.SpanID, config.SpanID[:])
	return trace.NewSpanContext(config)
}

func entries(held baggage.Baggage) [][3]string {
	found := [][3]string{}
	for _, member := range held.Members() {
		properties := []string{}
		for _, property := range member.Properties() {
			properties = append(properties, property.String())
		}
		metadata := strings.Join(properties, ";")
		found = append(found, [3]string{text(member.Key()), text(member.Value()), text(metadata)})
	}
	return found
}

// set is baggage with one entry more; as it was where the implementation returns an error.
func set(held baggage.Baggage, name, value, metadata string) baggage.Baggage {
	// The API has no properties of a text but those of a header.
	from, _ := baggage.Parse("m=;" + metadata)
	member, err := baggage.NewMemberRaw(name, value, from.Member("m").Properties()...)
	if err != nil {
		return held
	}
	after, _ := held.SetMember(member)
	return after
}

func made(list [][3]string) baggage.Baggage {
	held := baggage.Baggage{}
	for _, entry := range list {
		held = set(held, entry[0], entry[1], entry[2])
	}
	return held
}

var operations = map[string]func(arguments) object{
	"tracecontext.extract": func(asked arguments) object {
		sc := trace.SpanContextFromContext(extract(propagation.TraceContext{}, asked.Headers))
		if !sc.IsValid() {
			return object{"span": nil}
		}
		return object{"span": described(sc)}
	},
	"tracecontext.inject": func(asked arguments) object {
		ctx := trace.ContextWithSpanContext(context.Background(), spanContext(asked.Span))
		return object{"headers": inject(propagation.TraceContext{}, ctx)}
	},
	"tracecontext.relay": func(asked arguments) object {
		ctx := extract(propagation.TraceContext{}, asked.Headers)
		return object{"headers": inject(propagation.TraceContext{}, ctx)}
	},
	"tracecontext.continue": func(asked arguments) object {
		ctx, span := tracer.Start(extract(propagation.TraceContext{}, asked.Headers), "s")
		defer span.End()
		sent := inject(propagation.TraceContext{}, ctx)
		return object{"headers": sent, "span": described(span.SpanContext())}
	},
	"tracestate.apply": func(asked arguments) object {
		state := traceState(asked.Members)
		steps := []object{}
		for _, operation := range asked.Operations {
			before := state
			var thrown any
			state, thrown = applied(before, operation)
			step := object{"before": members(before)}
			if thrown != nil {
				step["raised"] = raised(thrown)
			} else {
				step["members"] = members(state)
			}
			steps = append(steps, step)
		}
		return object{"steps": steps}
	},
	"baggage.extract": func(asked arguments) object {
		ctx := extract(propagation.Baggage{}, asked.Headers)
		return object{"entries": entries(baggage.FromContext(ctx))}
	},
	"baggage.inject": func(asked arguments) object {
		ctx := baggage.ContextWithBaggage(context.Background(), made(asked.Entries))
		return object{"headers": inject(propagation.Baggage{}, ctx)}
	},
	"baggage.relay": func(asked arguments) object {
		ctx := extract(propagation.Baggage{}, asked.Headers)
		return object{"headers": inject(propagation.Baggage{}, ctx)}
	},
	"baggage.apply": func(asked arguments) object {
		held := made(asked.Entries)
		steps := []object{}
		for _, operation := range asked.Operations {
			before := held
			switch operation[0] {
			case "set":
				held = set(before, operation[1], operation[2], "")
			case "remove":
				held = before.DeleteMember(operation[1])
			default:
				held = baggage.FromContext(baggage.ContextWithoutBaggage(
					baggage.ContextWithBaggage(context.Background(), before)))
			}
			steps = append(steps, object{"entries": entries(held), "before": entries(before)})
		}
		return object{"steps": steps}
	},
	"span_context.make": func(asked arguments) object {
		sc := spanContext(span{TraceID: asked.TraceID, SpanID: asked.SpanID, Flags: asked.Flags})
		return object{
			"is_valid": sc.IsValid(),
			"trace_id": sc.TraceID().String(),
			"span_id":  sc.SpanID().String(),
		}
	},
	"ids.generate": func(asked arguments) object {
		ids := [][2]string{}
		for range asked.Count {
			_, span := tracer.Start(context.Background(), "s")
			sc := span.SpanContext()
			ids = append(ids, [2]string{sc.TraceID().String(), sc.SpanID().String()})
		}
		return object{"ids": ids}
	},
}

// applied is the state after an operation: as it was where the implementation returns an error or
// panics, and then what it panicked with.
func applied(before trace.TraceState, operation []string) (after trace.TraceState, thrown any) {
	defer func() {
		if thrown = recover(); thrown != nil {
			after = before
		}
	}()
	if operation[0] == "delete" {
		return before.Delete(operation[1]), nil
	}
	after, _ = before.Insert(operation[1], operation[2])
	return after, nil
}

func hello() object {
	return object{
		"protocol": 1,
		"name":     "opentelemetry-go",
		"version":  fmt.Sprintf("%s, SDK %s", otel.Version(), sdk.Version()),
		"runtime":  strings.Replace(runtime.Version(), "go", "Go ", 1),
		"offers":   slices.Sorted(maps.Keys(operations)),
	}
}

func raised(thrown any) object {
	return object{"type": fmt.Sprintf("%T", thrown), "message": fmt.Sprint(thrown)}
}

func reply(line []byte) (answer object) {
	var request struct {
		ID        int       `json:"id"`
		Operation string    `json:"operation"`
		Arguments arguments `json:"arguments"`
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return object{"id": request.ID, "refused": err.Error()}
	}
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case refused:
			answer = object{"id": request.ID, "refused": string(thrown)}
		default:
			answer = object{"id": request.ID, "raised": raised(thrown)}
		}
	}()
	if request.Operation == "hello" {
		return object{"id": request.ID, "answer": hello()}
	}
	operation, isKnown := operations[request.Operation]
	if !isKnown {
		return object{"id": request.ID, "refused": "there is no " + request.Operation}
	}
	return object{"id": request.ID, "answer": operation(request.Arguments)}
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = output.Encode(reply(line))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
