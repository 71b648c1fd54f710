/**
 * A real browser for the tests of the page: Debian's chromium, driven by playwright-core. Each opened page notes what must
 * not happen: errors in its console, breaches of the Content-Security-Policy, requests to anywhere but its server.
 */

import { existsSync } from 'node:fs';
import { describe } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const CANDIDATES = [
  process.env.TAILRACE_CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const FOUND = CANDIDATES.find((file) => file !== '' && existsSync(file));

/** The tests of a file; without a browser they are skipped, and a line says so. */
export function describeInBrowser(title: string, tests: () => void): void {
  if (FOUND === undefined) {
    process.stderr.write(`skipped "${title}": no chromium here (apt-get install chromium, or set TAILRACE_CHROMIUM)\n`);
  }
  (FOUND === undefined ? describe.skip : describe)(title, tests);
}

/** One for a test file. Close it at the end. */
export async function openBrowser(): Promise<Browser> {
  // As root the browser's own sandbox does not work; it sees nothing but this server.
  return chromium.launch({ executablePath: FOUND ?? '', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface PageSetup {
  /** `http://127.0.0.1:PORT` of the server. */
  readonly url: string;
  /** Signed in with it; undefined is not. */
  readonly token?: string | undefined;
  /** The fragment, such as `#/streams`. */
  readonly at?: string;
  readonly width?: number;
  readonly height?: number;
  readonly isDark?: boolean;
}

export interface OpenedPage {
  readonly page: Page;
  /** What went wrong so far, one line each. */
  faults(): readonly string[];
  close(): Promise<void>;
}

/** Of each browser one: what it has compiled of the page serves all tests of a file. */
const contexts = new WeakMap<Browser, Promise<BrowserContext>>();

/** Opens the page in a tab of its own, with storage that is empty but for the token. */
export async function openPage(browser: Browser, setup: PageSetup): Promise<OpenedPage> {
  const { url, token = '', at = '', width = 1440, height = 900, isDark = false } = setup;
  const context = contexts.get(browser) ?? browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  contexts.set(browser, context);
  const page = await (await context).newPage();
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: isDark ? 'dark' : 'light' });
  const faults = watchFaults(page, url);
  await page.addInitScript((secret) => {
    if (sessionStorage.getItem('tailrace-seen') !== null) return;
    localStorage.clear();
    if (secret !== '') sessionStorage.setItem('tailrace-token', secret);
    sessionStorage.setItem('tailrace-seen', 'yes');
  }, token);
  await page.goto(`${url}/${at}`);
  return { page, faults: () => faults, close: () => page.close() };
}

function watchFaults(page: Page, url: string): readonly string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // A refused request is shown to the user; what the browser writes of it is no fault.
    if (
      message.type() === 'error' &&
      !text.startsWith('Failed to load resource') &&
      !text.startsWith('WebSocket connection')
    ) {
      faults.push(`console: ${text}`);
    }
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) faults.push(`request to ${request.url()}`);
  });
  page.on('websocket', (socket) => {
    if (!socket.url().startsWith(`${url.replace(/^http/, 'ws')}/`)) faults.push(`socket to ${socket.url()}`);
  });
  return faults;
}
