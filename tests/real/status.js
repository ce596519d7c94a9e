// node status.js http://127.0.0.1:9180/ FOLDER
//
// The status page in Chromium, light and dark, on a desk and on a phone. FOLDER gets
// pictures.
import assert from 'node:assert/strict';
import { launch, openPage } from './chromium.js';

const [url, folder] = process.argv.slice(2);

const SCREENS = { desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

const background = () => getComputedStyle(document.body).backgroundColor;
const overflow = () => document.documentElement.scrollWidth - window.innerWidth;

const browser = await launch();
try {
  const backgrounds = new Set();
  for (const [screen, viewport] of Object.entries(SCREENS)) {
    for (const colorScheme of ['light', 'dark']) {
      const { page, errors, outside } = await openPage(browser, url, { viewport, colorScheme });
      await page.screenshot({ path: `${folder}/${screen}-${colorScheme}.png`, fullPage: true });
      assert.equal(await page.title(), 'ianitor');
      assert.deepEqual([errors, outside], [[], []], `${screen}, ${colorScheme}`);
      // On a phone, tables become lists.
      assert.ok(await page.evaluate(overflow) <= 0, `${screen}: the page is wider than the screen`);
      backgrounds.add(await page.evaluate(background));
      await page.close();
    }
  }
  assert.equal(backgrounds.size, 2, `light and dark: ${[...backgrounds]}`);
  console.log('four pictures');
} finally {
  await browser.close();
}
