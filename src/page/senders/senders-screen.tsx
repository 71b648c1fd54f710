/** The screen Senders. */

export function SendersScreen() {
  return (
    <div class="screen">
      <h1>Senders</h1>
    </div>
  );
}
