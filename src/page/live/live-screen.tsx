/** The screen Live. */

export function LiveScreen() {
  return (
    <div class="screen">
      <h1>Live</h1>
    </div>
  );
}
