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
  /** Leaves the page. Its tab serves the next one. */
  close(): Promise<void>;
}

interface Tabs {
  readonly context: Promise<BrowserContext>;
  /** Empty ones: a new tab is a new window and a new process, which takes as long as all that a test does in it. */
  readonly free: Page[];
}

/** Of each browser one context: what it has compiled of the page serves all tests of a file. */
const tabsOf = new WeakMap<Browser, Tabs>();

let opened = 0;

/** Opens the page in a tab that no other has, with storage that is empty but for the token. */
export async function openPage(browser: Browser, setup: PageSetup): Promise<OpenedPage> {
  const { url, token = '', at = '', width = 1440, height = 900, isDark = false } = setup;
  const tabs = tabsOf.get(browser) ?? {
    context: browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] }),
    free: [],
  };
  tabsOf.set(browser, tabs);
  const page = tabs.free.pop() ?? (await (await tabs.context).newPage());
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: isDark ? 'dark' : 'light' });
  const faults = watchFaults(page, url);
  const emptied = await page.addInitScript(
    ([secret, turn]) => {
      if (sessionStorage.getItem('tailrace-seen') === turn) return;
      localStorage.clear();
      sessionStorage.clear();
      if (secret !== '') sessionStorage.setItem('tailrace-token', secret);
      sessionStorage.setItem('tailrace-seen', turn);
    },
    [token, String(opened++)] as const,
  );
  await page.goto(`${url}/${at}`);
  const close = async (): Promise<void> => {
    for (const event of WATCHED) page.removeAllListeners(event);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await emptied.dispose();
    // Away from what it would lie on.
    await page.mouse.move(-1, -1);
    await page.goto('about:blank');
    tabs.free.push(page);
  };
  return { page, faults: () => faults, close };
}

/** The events that this file and tests listen to. */
const WATCHED = ['pageerror', 'console', 'request', 'websocket'] as const;

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
