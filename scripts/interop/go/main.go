// Sends logs, spans and metrics with the SDK of Go, in rounds.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

var attributes = []attribute.KeyValue{
	attribute.String("text", "häuser 世界 🌍"),
	attribute.String("empty", ""),
	attribute.Bool("yes", true),
	attribute.Int64("int", -(1<<53)-1),
	attribute.Float64("double", 0.1),
	attribute.StringSlice("texts", []string{"a", "", "ü"}),
	attribute.Int64Slice("ints", []int64{1, 2, 3}),
}

func main() {
	ctx := context.Background()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		fmt.Fprintln(os.Stderr, err)
	}))
	logExporter := must(autoexport.NewLogExporter(ctx))
	spanExporter := must(autoexport.NewSpanExporter(ctx))
	reader := must(autoexport.NewMetricReader(ctx))
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter)))
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spanExporter))
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	logger := logs.Logger("interop", log.WithInstrumentationVersion("1.2.3"), log.WithSchemaURL("https://example.com/schema"))
	tracer := traces.Tracer("interop")
	meter := metrics.Meter("interop")
	counter := must(meter.Int64Counter("sent", metric.WithUnit("1")))
	histogram := must(meter.Float64Histogram("size", metric.WithUnit("By")))
	gauge := must(meter.Float64Gauge("level"))

	for round := 0; round < number("INTEROP_ROUNDS"); round++ {
		for i := 0; i < 20; i++ {
			logger.Emit(ctx, record(round, i))
		}
		for i := 0; i < 5; i++ {
			spans(ctx, tracer, fmt.Sprintf("span %d.%d", round, i))
		}
		counter.Add(ctx, 25, metric.WithAttributes(attributes...))
		histogram.Record(ctx, float64(round)*10.5, metric.WithAttributes(attribute.Int("round", round%3)))
		gauge.Record(ctx, 0.25)
		logs.ForceFlush(ctx)
		traces.ForceFlush(ctx)
		metrics.ForceFlush(ctx)
		time.Sleep(time.Duration(number("INTEROP_PAUSE_MS")) * time.Millisecond)
	}
	logs.Shutdown(ctx)
	traces.Shutdown(ctx)
	metrics.Shutdown(ctx)
}

func record(round, i int) log.Record {
	var record log.Record
	record.SetTimestamp(time.Now())
	record.SetSeverity(log.SeverityWarn)
	record.SetSeverityText("WARN")
	if i%2 == 0 {
		record.SetBody(attribute.StringValue(fmt.Sprintf("line %d.%d", round, i)))
	} else {
		list := attribute.Slice("list", attribute.Int64Value(1), attribute.StringValue("two"), attribute.ByteSliceValue([]byte{0, 255}), attribute.Value{})
		record.SetBody(attribute.MapValue(attribute.Int("round", round), list))
	}
	if i%3 == 0 {
		record.SetEventName("interop.sent")
	}
	record.AddAttributes(attributes...)
	return record
}

func spans(ctx context.Context, tracer trace.Tracer, name string) {
	inner, span := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes...))
	span.AddEvent("event", trace.WithAttributes(attribute.Int("at", 1)))
	_, child := tracer.Start(inner, "child", trace.WithLinks(trace.Link{SpanContext: span.SpanContext()}))
	child.SetStatus(codes.Error, "broken")
	child.End()
	span.End()
}

func number(name string) int {
	return must(strconv.Atoi(os.Getenv(name)))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
