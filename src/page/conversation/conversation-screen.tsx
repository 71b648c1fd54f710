/** The screen Conversation. */

export function ConversationScreen() {
  return (
    <div class="screen">
      <h1>Conversation</h1>
    </div>
  );
}
