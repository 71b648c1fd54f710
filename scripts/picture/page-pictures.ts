/** Draws the pictures of the page in README.md: the real page in a real browser, over a real server with data of a small shop. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { customer } from './demo-shop.ts';

const CUSTOMERS = 60;
const WIDTH = 1120;
const HEIGHT = 640;
const QUALITY = 30;
const SETTLE_MS = 3_000;
/** Between two customers while pictures are taken. */
const CUSTOMER_MS = 400;

interface Screen {
  readonly name: string;
  /** Where it is, and what must be there before the picture is taken. */
  readonly at: string;
  readonly shows: string;
  prepare?(page: Page): Promise<void>;
}

/** Writes ten files, `NAME-light.webp` and `NAME-dark.webp`, into a folder; resolves with their bytes in all. */
export async function drawPagePictures(main: string, folder: string, browserFile: string): Promise<number> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tailrace-pictures-'));
  const args = [main, 'serve', '--port', '0', '--grpc-port', '0', '--data-dir', dataDir];
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const browser = await chromium.launch({ executablePath: browserFile, args: ['--no-sandbox'] });
  let stop = (): void => {};
  try {
    const url = await listening(server);
    const token = (await readFile(path.join(dataDir, 'root-token'), 'utf8')).trim();
    await fill(url, token);
    stop = goOn(url, token);
    mkdirSync(folder, { recursive: true });
    let bytes = 0;
    for (const screen of screens()) {
      for (const scheme of ['light', 'dark'] as const) {
        const picture = await draw(browser, { url, token, screen, scheme });
        writeFileSync(path.join(folder, `${screen.name}-${scheme}.webp`), picture);
        bytes += picture.length;
      }
    }
    return bytes;
  } finally {
    stop();
    await browser.close();
    server.kill();
    await once(server, 'exit');
    await rm(dataDir, { recursive: true, force: true });
  }
}

function screens(): readonly Screen[] {
  return [
    { name: 'live', at: '#/live', shows: 'placed' },
    { name: 'trace', at: `#/trace?trace=${'1'.repeat(24)}5b8aa5a6`, shows: 'POST /charge' },
    { name: 'conversation', at: `#/conversation?trace=${'1'.repeat(24)}7c11aa06`, shows: 'warehouse' },
    { name: 'senders', at: '#/senders', shows: 'checkout' },
    { name: 'connect', at: '#/connect', shows: 'OTEL_EXPORTER_OTLP_ENDPOINT' },
  ];
}

async function fill(url: string, token: string): Promise<void> {
  const now = Date.now();
  for (let n = 0; n < CUSTOMERS; n++) {
    await send(url, token, n, now - (CUSTOMERS - n) * 700);
  }
  // Whom the page tells what is wrong.
  await post(url, 'wrong', 'logs', { resourceLogs: [] });
}

/** Customers who come while pictures are taken. Returns how to stop. */
function goOn(url: string, token: string): () => void {
  let n = CUSTOMERS;
  const timer = setInterval(() => void send(url, token, n++, Date.now() - 400).catch(() => {}), CUSTOMER_MS);
  return () => clearInterval(timer);
}

async function send(url: string, token: string, n: number, atMs: number): Promise<void> {
  for (const { path: signal, body } of customer(n, atMs)) {
    const response = await post(url, token, signal, body);
    if (!response.ok) throw new Error(`${signal}: ${response.status} ${await response.text()}`);
  }
}

function post(url: string, token: string, signal: string, body: unknown): Promise<Response> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'user-agent': 'OTel-OTLP-Exporter-JavaScript/0.223.1',
  };
  return fetch(`${url}/v1/${signal}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

interface Shot {
  readonly url: string;
  readonly token: string;
  readonly screen: Screen;
  readonly scheme: 'light' | 'dark';
}

async function draw(browser: Browser, { url, token, screen, scheme }: Shot): Promise<Buffer> {
  const context = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT }, colorScheme: scheme });
  const page = await context.newPage();
  await page.addInitScript(`sessionStorage.setItem('tailrace-token', ${JSON.stringify(token)})`);
  await page.goto(`${url}/${screen.at}`);
  await page.getByText(screen.shows).first().waitFor();
  // Figures and histograms come a moment later, and what is drawn changes as long as customers come.
  await page.waitForTimeout(SETTLE_MS);
  await screen.prepare?.(page);
  const client = await context.newCDPSession(page);
  const { data } = await client.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY });
  await context.close();
  return Buffer.from(data, 'base64');
}

async function listening(server: ChildProcess): Promise<string> {
  let said = '';
  for await (const chunk of server.stdout ?? []) {
    said += String(chunk);
    const url = /^listening on (\S+)$/m.exec(said)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the server did not start');
}
