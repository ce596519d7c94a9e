// node jitsi.js https://localhost:8443/jitsi.html certs/ca.pem < steps.json
//
// strophe.js, unchanged, in Chromium, as Jitsi's pages use it. Each step of standard input is a
// URL of BOSH or a WebSocket, a room, and how it ends.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { launch, openPage } from './chromium.js';
import { within } from './within.js';

const [url, ca] = process.argv.slice(2);
const steps = JSON.parse(readFileSync(0, 'utf8'));

const browser = await launch(url, ca);
try {
  const { page } = await openPage(browser, url);
  await page.waitForFunction(() => window.enter);
  for (const { what, service, room, outcome } of steps) {
    const entering = page.evaluate(([service, room]) => window.enter(service, room), [service, room]);
    assert.equal(await within(30, what, entering), outcome, what);
  }
} finally {
  await browser.close();
}
console.log(`${steps.length} visits ended as they should`);
