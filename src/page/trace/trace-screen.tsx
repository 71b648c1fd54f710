/** The screen Trace. */

export function TraceScreen() {
  return (
    <div class="screen">
      <h1>Trace</h1>
    </div>
  );
}
