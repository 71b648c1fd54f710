// Sends a log record, a span and a metric: go run .
package main

import (
	"context"
	"log"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	logExporter, err := otlploghttp.New(ctx)
	check(err)
	spanExporter, err := otlptracehttp.New(ctx)
	check(err)
	metricExporter, err := otlpmetrichttp.New(ctx)
	check(err)
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter)))
	spans := trace.NewTracerProvider(trace.WithBatcher(spanExporter))
	metrics := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(metricExporter)))

	otelslog.NewLogger("my-app", otelslog.WithLoggerProvider(logs)).InfoContext(ctx, "hello from Go")
	_, span := spans.Tracer("my-app").Start(ctx, "checkout")
	span.End()
	orders, err := metrics.Meter("my-app").Int64Counter("orders")
	check(err)
	orders.Add(ctx, 1)

	// What was not sent yet is sent here.
	check(metrics.Shutdown(ctx))
	check(spans.Shutdown(ctx))
	check(logs.Shutdown(ctx))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
