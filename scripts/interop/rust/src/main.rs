//! Sends logs, spans and metrics with the SDK of Rust, in rounds.

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::env::var;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

fn attributes() -> Vec<KeyValue> {
    let texts: Vec<StringValue> = vec!["a".into(), "".into(), "ü".into()];
    vec![
        KeyValue::new("text", "häuser 世界 🌍"),
        KeyValue::new("empty", ""),
        KeyValue::new("yes", true),
        KeyValue::new("int", -(1i64 << 53) - 1),
        KeyValue::new("double", 0.1),
        KeyValue::new("texts", Value::Array(Array::String(texts))),
        KeyValue::new("ints", Value::Array(Array::I64(vec![1, 2, 3]))),
    ]
}

fn main() {
    // The exporter of gRPC needs the runtime; that of HTTP blocks, in threads of the SDK.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let grpc = var("OTEL_EXPORTER_OTLP_PROTOCOL").unwrap() == "grpc";
    let (log, span, metric) = if grpc {
        (
            LogExporter::builder().with_tonic().build().unwrap(),
            SpanExporter::builder().with_tonic().build().unwrap(),
            MetricExporter::builder().with_tonic().build().unwrap(),
        )
    } else {
        (
            LogExporter::builder().with_http().build().unwrap(),
            SpanExporter::builder().with_http().build().unwrap(),
            MetricExporter::builder().with_http().build().unwrap(),
        )
    };
    let logs = SdkLoggerProvider::builder().with_batch_exporter(log).build();
    let traces = SdkTracerProvider::builder().with_batch_exporter(span).build();
    let metrics = SdkMeterProvider::builder().with_periodic_exporter(metric).build();
    let meter = metrics.meter("interop");
    let counter = meter.u64_counter("sent").with_unit("1").build();
    let histogram = meter.f64_histogram("size").with_unit("By").build();

    for round in 0..number("INTEROP_ROUNDS") {
        for i in 0..20 {
            emit(&logs, round, i);
        }
        for i in 0..5 {
            spans(&traces, format!("span {round}.{i}"));
        }
        counter.add(25, &attributes());
        histogram.record(round as f64 * 10.5, &[]);
        let _ = logs.force_flush();
        let _ = traces.force_flush();
        let _ = metrics.force_flush();
        sleep(Duration::from_millis(number("INTEROP_PAUSE_MS")));
    }
    let _ = logs.shutdown();
    let _ = traces.shutdown();
    let _ = metrics.shutdown();
}

fn emit(logs: &SdkLoggerProvider, round: u64, i: u64) {
    let logger = logs.logger("interop");
    let mut record = logger.create_log_record();
    record.set_timestamp(SystemTime::now());
    record.set_severity_number(Severity::Warn);
    record.set_severity_text("WARN");
    record.set_body(if i % 2 == 0 {
        AnyValue::from(format!("line {round}.{i}"))
    } else {
        AnyValue::ListAny(Box::new(vec![AnyValue::Int(1), AnyValue::from("two"), AnyValue::Bytes(Box::new(vec![0, 255]))]))
    });
    record.add_attribute("text", "häuser 世界 🌍");
    record.add_attribute("number", i as i64);
    logger.emit(record);
}

fn spans(traces: &SdkTracerProvider, name: String) {
    let tracer = traces.tracer("interop");
    let span = tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes()).start(&tracer);
    let context = Context::new().with_span(span);
    context.span().add_event("event", attributes());
    let linked = context.span().span_context().clone();
    let child = tracer.start_with_context("child", &context);
    let child = Context::new().with_span(child);
    child.span().add_link(linked, vec![]);
    child.span().set_status(Status::error("broken"));
}

fn number(name: &str) -> u64 {
    var(name).unwrap().parse().unwrap()
}
