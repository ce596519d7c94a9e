// node coalesced.js https://app.site.test:8443 media.site.test:8443 site.pem
//
// A page of one name opens WebSockets to another name of the same certificate. Chromium
// sends them on the connection that the page came by, and tries them nowhere else.
import assert from 'node:assert/strict';
import { launch, openPage } from './chromium.js';
import { within } from './within.js';

const [page, media, ca] = process.argv.slice(2);

const browser = await launch(page, ca, '127.0.0.1');
try {
  const opened = await openPage(browser, `${page}/page.html`);
  const ping = (url) => within(30, url, opened.page.evaluate((url) => new Promise((resolve) => {
    const socket = new WebSocket(url, 'janus-protocol');
    socket.onerror = () => resolve('no WebSocket');
    socket.onopen = () => socket.send(JSON.stringify({ janus: 'ping', transaction: 't' }));
    socket.onmessage = ({ data }) => resolve(JSON.parse(data).janus);
  }), url));
  const tries = [];
  for (let at = 0; at < 4; at += 1) tries.push(await ping(`wss://${media}/janus-ws`));
  assert.deepEqual(tries, ['pong', 'pong', 'pong', 'pong']);
  // Its policy is asked, and not that of the page.
  assert.equal(await ping(`wss://${media}/closed`), 'no WebSocket');
  const status = await opened.page.evaluate(async (url) => (await fetch(url)).text(), `https://${media}/text`);
  assert.equal(status, 'read by another origin');
  console.log('four WebSockets to a second name');
} finally {
  await browser.close();
}
