/** The screen Connect. */

export function ConnectScreen() {
  return (
    <div class="screen">
      <h1>Connect</h1>
    </div>
  );
}
