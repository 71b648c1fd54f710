/** The screen Server. */

export function ServerScreen() {
  return (
    <div class="screen">
      <h1>Server</h1>
    </div>
  );
}
