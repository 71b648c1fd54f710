# Claude Code sends metrics, events (as logs) and, in a beta, spans: . ./telemetry.sh && claude
# The same variables can stand in "env" of its settings.json.
export CLAUDE_CODE_ENABLE_TELEMETRY=1
export OTEL_METRICS_EXPORTER=otlp
export OTEL_LOGS_EXPORTER=otlp
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer $TAILRACE_TOKEN"
export OTEL_RESOURCE_ATTRIBUTES=s2.stream=claude-code

# Spans (beta): each interaction with its calls of the model and of tools.
export CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1
export OTEL_TRACES_EXPORTER=otlp

# What is not sent unless it is asked for: prompts, and the arguments of tools.
# export OTEL_LOG_USER_PROMPTS=1
# export OTEL_LOG_TOOL_DETAILS=1
