// node strophe.js https://localhost:8443/strophe.html certs/ca.pem
//
// strophe.js, unchanged, in Chromium: two users, one by BOSH, one by WebSocket, who
// write to each other.
import assert from 'node:assert/strict';
import { launch, openPage } from './chromium.js';
import { within } from './within.js';

const [url, ca] = process.argv.slice(2);

const browser = await launch(url, ca);
try {
  const { page, errors } = await openPage(browser, url);
  await page.waitForFunction(() => window.run);
  const passed = await within(60, 'all messages', page.evaluate(() => window.run()));
  assert.equal(passed.length, 4);
  assert.deepEqual(errors, []);
  console.log(`messages of ${passed} bytes passed`);
} finally {
  await browser.close();
}
