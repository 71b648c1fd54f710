/** The screen Record. */

export function RecordScreen() {
  return (
    <div class="screen">
      <h1>Record</h1>
    </div>
  );
}
