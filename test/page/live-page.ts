/** For tests of the screen Live: sends records, reads what the list shows, and cuts connections. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Page } from 'playwright-core';
import { call } from '../support/http-call.ts';
import type { Target } from '../support/records-calls.ts';

export interface SentLog {
  readonly body: string;
  /** OTLP's number; 9 is info, 17 error. */
  readonly severity?: number;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly traceId?: string;
  /** Milliseconds; now without it. */
  readonly time?: number;
}

/** One request with log records of one service to one stream. */
export async function sendLogs(
  { port, token }: Target,
  stream: string,
  logs: readonly SentLog[],
  service = 'checkout',
): Promise<void> {
  const logRecords = logs.map(({ body, severity = 9, attributes = {}, traceId, time = Date.now() }) => ({
    timeUnixNano: `${time}000000`,
    severityNumber: severity,
    body: { stringValue: body },
    attributes: keyValues(attributes),
    ...(traceId === undefined ? {} : { traceId, spanId: '0102030405060708' }),
  }));
  const resource = { attributes: keyValues({ 's2.stream': stream, 'service.name': service }) };
  const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const answer = await call(port, { path: '/v1/logs', headers, body });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
}

/** `said 0`, `said 1` and so on. */
export function numbered(count: number, from = 0): readonly SentLog[] {
  return Array.from({ length: count }, (_, i) => ({ body: `said ${from + i}` }));
}

/** The records on the screen, from the top, as `shop#12 said 12`. */
export function shownRows(page: Page): Promise<readonly string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('.rows .row')].map((row) => {
      const place = row.querySelector('[title*=" #"]')?.getAttribute('title')?.replace(' #', '#') ?? '?';
      return `${place} ${row.querySelector('.row-message')?.textContent}`;
    }),
  );
}

/** Waits for a record with that message on the screen. */
export async function waitForRow(page: Page, message: string): Promise<void> {
  await page
    .locator('.row-message', { hasText: new RegExp(`^${message}$`) })
    .first()
    .waitFor();
}

/** All records of the list by their place, by paging from its first to its last one. */
export async function allPlaces(page: Page): Promise<readonly string[]> {
  return page.evaluate(async () => {
    const found = new Set<string>();
    const press = (key: string) => dispatchEvent(new KeyboardEvent('keydown', { key }));
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    press('g');
    await frame();
    for (let idle = 0, before = ''; idle < 60; ) {
      const rows = [...document.querySelectorAll('.rows .row')];
      for (const row of rows) {
        const place = row.querySelector('[title*=" #"]')?.getAttribute('title');
        if (place !== null && place !== undefined) found.add(place.replace(' #', '#'));
      }
      const last = `${rows.at(-1)?.id} ${found.size}`;
      idle = last === before ? idle + 1 : 0;
      before = last;
      press(' ');
      await frame();
    }
    return [...found];
  });
}

export interface CuttingProxy {
  readonly port: number;
  /** Ends every connection, and takes none until {@link open}. */
  cut(): void;
  open(): void;
  /** Later connections go to another server. */
  turnTo(port: number): void;
  close(): void;
}

/** Stands between the page and the server. */
export async function startCuttingProxy(first: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let isOpen = true;
  let port = first;
  const server = createServer({ noDelay: true }, (client) => {
    if (!isOpen) {
      client.destroy();
      return;
    }
    const onward = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const [one, other] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    open: () => {
      isOpen = true;
    },
    turnTo: (next) => {
      port = next;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

function keyValues(attributes: Readonly<Record<string, string>>): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } }));
}
