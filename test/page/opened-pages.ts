/** One browser for the tests of a block, and pages that must end without faults. Call it in the block. */

import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { TestServer } from '../support/server.ts';
import { type OpenedPage, openBrowser, openPage, type PageSetup } from './browser.ts';

/** Opens the page at a fragment of its URL, signed in with the root token unless another is given. */
export type OpenScreen = (at: string, setup?: Partial<PageSetup>) => Promise<Page>;

/** `server` is asked for when a page opens. `title` is what pages must still have at the end: nothing in data changed it. */
export function openedPages(server: () => Pick<TestServer, 'url' | 'token'>, title?: string): OpenScreen {
  let browser: Browser;
  let opened: OpenedPage[] = [];

  beforeAll(async () => {
    browser = await openBrowser();
  });

  afterAll(() => browser.close());

  afterEach(async () => {
    const pages = opened;
    opened = [];
    expect(pages.flatMap((page) => page.faults())).toEqual([]);
    if (title !== undefined) for (const { page } of pages) expect(await page.title()).toBe(`${title} · Tailrace`);
    await Promise.all(pages.map((page) => page.close()));
  });

  return async (at, setup = {}) => {
    const { url, token } = server();
    const page = await openPage(browser, { url, token, at, ...setup });
    opened.push(page);
    return page.page;
  };
}
