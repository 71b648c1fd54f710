/** Where a server is when no setting says anything else. It stands alone, since `serve` loads no client. */

export const DEFAULT_ENDPOINT = 'http://127.0.0.1:4318';
