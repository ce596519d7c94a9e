// node call.js https://localhost:8443/call.html certs/ca.pem < JSON
//
// janus.js, unchanged, in a headless Chromium with a fake camera: an echo test that goes
// on until some second. Standard input says { server, token, keepalive, until, renewals }:
// renewals are newer tokens for the handle, each { at, token }. Times are in seconds since
// 1970. Everything that reaches the page from the server is printed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { launch, openPage } from './chromium.js';
import { within } from './within.js';

const [url, ca] = process.argv.slice(2);
const options = JSON.parse(readFileSync(0, 'utf8'));

const browser = await launch(url, ca);
try {
  const { page } = await openPage(browser, 'about:blank');
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => console.log(`frame: ${payload}`)));
  page.on('response', async (response) => {
    const { pathname } = new URL(response.url());
    if (!pathname.includes('/janus/') && !pathname.endsWith('/janus')) return;
    const head = `${response.status()} ${JSON.stringify(response.headers())}`;
    // Of a poll that is under way at the end there is no text.
    console.log(`response: ${head} ${await response.text().catch(() => '')}`);
  });
  await page.goto(url);
  await page.waitForFunction(() => window.run);
  const seen = await within(options.until - Date.now() / 1000 + 60, 'a call', page.evaluate((given) => window.run(given), options));
  assert.equal(seen.isUp, true);
  console.log(`the call went on until ${options.until}, with ${seen.results} answers of the plugin`);
} finally {
  await browser.close();
}
