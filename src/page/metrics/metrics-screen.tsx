/** The screen Metrics. */

export function MetricsScreen() {
  return (
    <div class="screen">
      <h1>Metrics</h1>
    </div>
  );
}
