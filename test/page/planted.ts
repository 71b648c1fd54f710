/** What the tests of a screen that shows foreign text look for, planted on purpose: their checks must find it. */

import { expect } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { seriousFindings } from './axe.ts';

/** Plants markup, a control character, a wide part and another title, and expects that each is found. */
export async function expectFound(page: Page, shown: Locator): Promise<void> {
  const title = await page.title();
  const widest = () => page.evaluate(() => document.querySelector('main')?.scrollWidth ?? 0);
  expect(await shown.locator('img, script').count()).toBe(0);
  expect(await widest()).toBeLessThanOrEqual(1_440);
  await shown.evaluate((element) => {
    const wide = document.createElement('p');
    wide.textContent = '\u001b[31m';
    wide.style.width = '4000px';
    element.append(document.createElement('img'), wide);
    document.title = 'hacked';
  });
  expect(await shown.locator('img, script').count()).toBe(1);
  expect(await shown.textContent()).toContain('\u001b');
  expect(await widest()).toBeGreaterThan(1_440);
  expect(await page.title()).not.toBe(title);
  expect(await seriousFindings(page)).not.toEqual([]);
  // Every page must end with its own title.
  await page.evaluate((own) => {
    document.title = own;
  }, title);
}
