#!/bin/sh
# Sends a log record, a span and a metric: TAILRACE_TOKEN=$(cat data/root-token) sh send.sh
set -eu
url=${TAILRACE_ENDPOINT:-http://127.0.0.1:4318}
now=$(date +%s)000000000
resource='{"attributes":[{"key":"service.name","value":{"stringValue":"my-app"}},{"key":"s2.stream","value":{"stringValue":"my-app"}}]}'

send() {
  curl -sS --fail-with-body "$url/v1/$1" \
    -H "Authorization: Bearer $TAILRACE_TOKEN" \
    -H 'Content-Type: application/json' \
    -d "$2"
  echo
}

send logs '{"resourceLogs":[{"resource":'"$resource"',"scopeLogs":[{"logRecords":[
  {"timeUnixNano":"'"$now"'","severityNumber":9,"severityText":"INFO","body":{"stringValue":"hello from curl"}}]}]}]}'
send traces '{"resourceSpans":[{"resource":'"$resource"',"scopeSpans":[{"spans":[
  {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"checkout","kind":1,
   "startTimeUnixNano":"'"$now"'","endTimeUnixNano":"'"$now"'"}]}]}]}'
send metrics '{"resourceMetrics":[{"resource":'"$resource"',"scopeMetrics":[{"metrics":[
  {"name":"orders","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
   {"timeUnixNano":"'"$now"'","asInt":"1"}]}}]}]}]}'
