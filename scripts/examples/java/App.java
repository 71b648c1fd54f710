// Sends a log record, a span and a metric: mvn -q compile exec:java
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;

public final class App {
  public static void main(String[] args) {
    // Closing the SDK sends what was not sent yet.
    var configured = AutoConfiguredOpenTelemetrySdk.builder().disableShutdownHook().build();
    try (OpenTelemetrySdk sdk = configured.getOpenTelemetrySdk()) {
      sdk.getLogsBridge().get("my-app").logRecordBuilder()
          .setSeverity(Severity.INFO).setSeverityText("INFO").setBody("hello from Java").emit();
      sdk.getTracer("my-app").spanBuilder("checkout").startSpan().end();
      sdk.getMeter("my-app").counterBuilder("orders").build().add(1);
    }
  }
}
