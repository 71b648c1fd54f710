/** Everything in one record. */

import type { Row } from '../wire/rows.ts';

export function RecordDetail({ stream, row }: { readonly stream: string; readonly row: Row }) {
  return (
    <div>
      <h2>
        {stream} #{row.seqNum}
      </h2>
      <pre style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{JSON.stringify(row, null, 2)}</pre>
    </div>
  );
}
