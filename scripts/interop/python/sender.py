"""Sends logs, spans and metrics with the SDK of Python, in rounds."""

import os
import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

ROUNDS = int(os.environ["INTEROP_ROUNDS"])
PAUSE = int(os.environ["INTEROP_PAUSE_MS"]) / 1000
ATTRIBUTES = {
    "text": "häuser 世界 🌍",
    "empty": "",
    "yes": True,
    "int": -(2**53) - 1,
    "double": 0.1,
    "texts": ["a", "", "ü"],
    "ints": [1, 2, 3],
}

resource = Resource.create({"host.cpu": 4})
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3_600_000)
metrics = MeterProvider(resource=resource, metric_readers=[reader])

logger = logs.get_logger("interop", "1.2.3", schema_url="https://example.com/schema")
tracer = traces.get_tracer("interop", "1.2.3")
meter = metrics.get_meter("interop", "1.2.3")
counter = meter.create_counter("sent", unit="1", description="records")
histogram = meter.create_histogram("size", unit="By")
gauge = meter.create_gauge("level")

for number in range(ROUNDS):
    for i in range(20):
        body = f"line {number}.{i}" if i % 2 == 0 else {"round": number, "list": [1, "two", 3.5, b"\x00\xff", None]}
        record = LogRecord(
            timestamp=time.time_ns(),
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body=body,
            attributes={**ATTRIBUTES, "i": i},
            event_name="interop.sent" if i % 3 == 0 else None,
        )
        logger.emit(record)
    for i in range(5):
        with tracer.start_as_current_span(f"span {number}.{i}", kind=SpanKind.SERVER, attributes=ATTRIBUTES) as span:
            span.add_event("event", {"at": i})
            child = tracer.start_span("child", links=[Link(span.get_span_context(), {"why": "interop"})])
            child.set_status(Status(StatusCode.ERROR, "broken"))
            child.end()
    counter.add(25, ATTRIBUTES)
    histogram.record(number * 10.5, {"round": number % 3})
    gauge.set(0.25)
    logs.force_flush()
    traces.force_flush()
    metrics.force_flush()
    time.sleep(PAUSE)

logs.shutdown()
traces.shutdown()
metrics.shutdown()
