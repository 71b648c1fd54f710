/** Where to find more: the limits of the server, all of its audit log, and its settings. */

export function AboutServer() {
  return (
    <section class="server-section" aria-label="More about this server">
      <h2>Where to find the rest</h2>
      <dl class="server-about">
        <dt>Audit log</dt>
        <dd>
          Who issued, rotated and revoked tokens, changed basins and streams, trimmed, and every refusal: lines with{' '}
          <code>"audit":true</code> in the log of the server, on stderr. The root token sees the last ones above, and
          with <code>GET /v1/audit</code>; the server keeps no others, so all of them are where your log goes:{' '}
          <code>{`journalctl -u tailrace | grep '"audit":true'`}</code>
        </dd>
        <dt>Limits</dt>
        <dd>
          Above is what is used of memory and disk. All limits, with the settings that change them, are in{' '}
          <a href={`${DOCUMENTS}/src/model/limits/README.md`} target="_blank" rel="noreferrer">
            src/model/limits/README.md
          </a>{' '}
          of the package; <code>tailrace serve --help</code> lists the settings.
        </dd>
        <dt>Metrics</dt>
        <dd>
          <code>GET /metrics</code> is for Prometheus, with a token that may do <code>account-metrics</code>.{' '}
          <code>GET /v1/metrics</code> has usage by minute, hour and day.
        </dd>
        <dt>Interface</dt>
        <dd>
          <a href="/openapi.json" target="_blank" rel="noreferrer">
            openapi.json
          </a>{' '}
          describes every HTTP call,{' '}
          <a href="/asyncapi.json" target="_blank" rel="noreferrer">
            asyncapi.json
          </a>{' '}
          every frame of a WebSocket. For language models there is{' '}
          <a href="/llms.txt" target="_blank" rel="noreferrer">
            llms.txt
          </a>
          .
        </dd>
        <dt>On a terminal</dt>
        <dd>
          <code>tailrace top</code> shows the same live, <code>tailrace tokens</code> manages tokens,{' '}
          <code>tailrace doctor</code> says what is wrong.
        </dd>
      </dl>
    </section>
  );
}

const DOCUMENTS = 'https://github.com/tailrace-dev/tailrace/blob/main';
