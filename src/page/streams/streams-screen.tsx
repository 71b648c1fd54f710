/** The screen Streams. */

export function StreamsScreen() {
  return (
    <div class="screen">
      <h1>Streams</h1>
    </div>
  );
}
