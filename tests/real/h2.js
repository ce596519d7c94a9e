// node h2.js https://localhost:8443/h2.html certs/ca.pem
//
// WebSockets of a page in Chromium, whichever HTTP they come by.
import assert from 'node:assert/strict';
import { launch, openPage } from './chromium.js';
import { within } from './within.js';

const [url, ca] = process.argv.slice(2);

const browser = await launch(url, ca);
try {
  const { page, errors } = await openPage(browser, url);
  assert.deepEqual(await within(30, 'a talk', page.evaluate(() => window.talk())), {
    protocol: 'janus-protocol',
    created: 'success',
    kept: 'ack',
    echoed: ['pong', true],
    closed: { code: 1000, reason: 'enough', wasClean: true },
  });
  assert.deepEqual(await within(30, 'twenty answers', page.evaluate(() => window.crowd(20))), [20, 20]);
  assert.deepEqual(errors, []);
  console.log('21 WebSockets opened, talked and closed');
} finally {
  await browser.close();
}
