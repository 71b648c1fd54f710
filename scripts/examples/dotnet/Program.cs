// Sends a log record, a span and a metric: dotnet run
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddOpenTelemetry()
    .WithLogging()
    .WithTracing(tracing => tracing.AddSource("my-app"))
    .WithMetrics(metrics => metrics.AddMeter("my-app"))
    .UseOtlpExporter();

// Disposing of the host sends what was not sent yet.
using var host = builder.Build();
await host.StartAsync();
host.Services.GetRequiredService<ILogger<Program>>().LogInformation("hello from .NET");
using (var source = new ActivitySource("my-app")) source.StartActivity("checkout")?.Dispose();
using var meter = new Meter("my-app");
meter.CreateCounter<long>("orders").Add(1);
await host.StopAsync();
