/** One browser for the tests of a block, and a page for each test that must end without faults. Call it in the block. */

import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { TestServer } from '../support/server.ts';
import { type OpenedPage, openBrowser, openPage, type PageSetup } from './browser.ts';

/** Opens the page at a fragment, signed in. `title` is what it must still have at the end: nothing in data changed it. */
export function openedPages(
  server: () => TestServer,
  title: string,
): (at: string, setup?: Partial<PageSetup>) => Promise<Page> {
  let browser: Browser;
  let opened: OpenedPage | undefined;

  beforeAll(async () => {
    browser = await openBrowser();
  });

  afterAll(() => browser.close());

  afterEach(async () => {
    expect(opened?.faults()).toEqual([]);
    expect(await opened?.page.title()).toBe(`${title} · Tailrace`);
    await opened?.close();
    opened = undefined;
  });

  return async (at, setup = {}) => {
    const { url, token } = server();
    opened = await openPage(browser, { url, token, at, ...setup });
    return opened.page;
  };
}
