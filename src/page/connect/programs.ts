/**
 * The shortest programs that send something, as `scripts/examples/` has them: a test compares each line. What differs
 * between machines is in the variables, so these are constant.
 */

export const NODE_PROGRAM = `// app.mjs (ES module): node app.mjs
import { logs, metrics, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK();
sdk.start();
logs.getLogger('my-app').emit({ severityNumber: 9, severityText: 'INFO', body: 'hello from Node (ESM)' });
trace.getTracer('my-app').startSpan('checkout').end();
metrics.getMeter('my-app').createCounter('orders').add(1);
await sdk.shutdown();`;

export const PYTHON_PROGRAM = `# app.py: python app.py
import logging

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logging.getLogger().setLevel(logging.INFO)
logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))

logging.info("hello from Python")

provider.shutdown()`;

export const GO_PROGRAM = `package main

import (
	"context"
	"log"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

func main() {
	ctx := context.Background()
	logExporter, err := otlploghttp.New(ctx)
	check(err)
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter)))

	otelslog.NewLogger("my-app", otelslog.WithLoggerProvider(logs)).InfoContext(ctx, "hello from Go")

	// What was not sent yet is sent here.
	check(logs.Shutdown(ctx))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}`;

export const JAVA_PROGRAM = `import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;

public final class App {
  public static void main(String[] args) {
    // Closing the SDK sends what was not sent yet.
    var configured = AutoConfiguredOpenTelemetrySdk.builder().disableShutdownHook().build();
    try (OpenTelemetrySdk sdk = configured.getOpenTelemetrySdk()) {
      sdk.getLogsBridge().get("my-app").logRecordBuilder()
          .setSeverity(Severity.INFO).setSeverityText("INFO").setBody("hello from Java").emit();
    }
  }
}`;

export const JAVA_PROJECT = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>my-app</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
  </properties>
  <dependencies>
    <dependency>
      <groupId>io.opentelemetry</groupId>
      <artifactId>opentelemetry-sdk-extension-autoconfigure</artifactId>
      <version>1.68.0</version>
    </dependency>
    <dependency>
      <groupId>io.opentelemetry</groupId>
      <artifactId>opentelemetry-exporter-otlp</artifactId>
      <version>1.68.0</version>
    </dependency>
  </dependencies>
  <build>
    <sourceDirectory>.</sourceDirectory>
    <plugins>
      <plugin>
        <groupId>org.codehaus.mojo</groupId>
        <artifactId>exec-maven-plugin</artifactId>
        <version>3.6.3</version>
        <configuration><mainClass>App</mainClass></configuration>
      </plugin>
    </plugins>
  </build>
</project>`;

export const DOTNET_PROGRAM = `using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddOpenTelemetry()
    .WithLogging()
    .UseOtlpExporter();

// Disposing of the host sends what was not sent yet.
using var host = builder.Build();
await host.StartAsync();
host.Services.GetRequiredService<ILogger<Program>>().LogInformation("hello from .NET");
await host.StopAsync();`;

export const DOTNET_PROJECT = `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Microsoft.Extensions.Hosting" Version="11.0.0" />
    <PackageReference Include="OpenTelemetry.Exporter.OpenTelemetryProtocol" Version="1.20.1" />
    <PackageReference Include="OpenTelemetry.Extensions.Hosting" Version="1.20.1" />
  </ItemGroup>
</Project>`;
