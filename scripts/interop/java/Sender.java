import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.logs.LogRecordBuilder;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Sends logs, spans and metrics with the SDK of Java, in rounds. */
public final class Sender {
  private static final Attributes ATTRIBUTES =
      Attributes.builder()
          .put("text", "häuser 世界 🌍")
          .put("empty", "")
          .put("yes", true)
          .put("int", -(1L << 53) - 1)
          .put("double", 0.1)
          .put(AttributeKey.stringArrayKey("texts"), "a", "", "ü")
          .put(AttributeKey.longArrayKey("ints"), 1L, 2L, 3L)
          .build();

  public static void main(String[] args) throws InterruptedException {
    int rounds = Integer.parseInt(System.getenv("INTEROP_ROUNDS"));
    int pause = Integer.parseInt(System.getenv("INTEROP_PAUSE_MS"));
    OpenTelemetrySdk sdk = AutoConfiguredOpenTelemetrySdk.initialize().getOpenTelemetrySdk();
    var counter = sdk.getMeter("interop").counterBuilder("sent").setUnit("1").build();
    var histogram = sdk.getMeter("interop").histogramBuilder("size").setUnit("By").build();
    for (int round = 0; round < rounds; round++) {
      for (int i = 0; i < 20; i++) log(sdk, round, i);
      for (int i = 0; i < 5; i++) spans(sdk, "span " + round + "." + i);
      counter.add(25, ATTRIBUTES);
      histogram.record(round * 10.5);
      sdk.getSdkLoggerProvider().forceFlush().join(20, TimeUnit.SECONDS);
      sdk.getSdkTracerProvider().forceFlush().join(20, TimeUnit.SECONDS);
      sdk.getSdkMeterProvider().forceFlush().join(20, TimeUnit.SECONDS);
      Thread.sleep(pause);
    }
    sdk.shutdown().join(20, TimeUnit.SECONDS);
  }

  private static void log(OpenTelemetrySdk sdk, int round, int i) {
    LogRecordBuilder record = sdk.getSdkLoggerProvider().loggerBuilder("interop").setInstrumentationVersion("1.2.3").build().logRecordBuilder();
    record.setTimestamp(Instant.now()).setSeverity(Severity.WARN).setSeverityText("WARN").setAllAttributes(ATTRIBUTES);
    if (i % 3 == 0) record.setEventName("interop.sent");
    if (i % 2 == 0) record.setBody("line " + round + "." + i);
    else record.setBody(Value.of(Map.of("list", Value.of(Value.of(1), Value.of("two"), Value.of(3.5), Value.of(new byte[] {0, -1})))));
    record.emit();
  }

  private static void spans(OpenTelemetrySdk sdk, String name) {
    var tracer = sdk.getTracer("interop");
    Span span = tracer.spanBuilder(name).setSpanKind(SpanKind.SERVER).setAllAttributes(ATTRIBUTES).startSpan();
    span.addEvent("event", ATTRIBUTES);
    Span child = tracer.spanBuilder("child").setParent(Context.root().with(span)).addLink(span.getSpanContext()).startSpan();
    child.setStatus(StatusCode.ERROR, "broken");
    child.end();
    span.end();
  }
}
