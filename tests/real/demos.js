// node demos.js https://localhost:8443 certs/ca.pem ADMIN_SECRET FOLDER
//
// Debian's demo pages of Janus in Chromium: the echo test, then the admin page, which
// sees the echo test's session. FOLDER gets pictures of both.
import assert from 'node:assert/strict';
import { launch, openPage } from './chromium.js';

const [gateway, ca, secret, folder] = process.argv.slice(2);

// Of the admin page, with something that has come from Janus.
const TABS = {
  serverinfo: '#server-plugins td',
  settings: '#server-settings td',
  handlesinfo: '#sessions-list a',
};

const browser = await launch(gateway, ca);

async function open(path) {
  const opened = await openPage(browser, gateway + path);
  opened.page.setDefaultTimeout(60_000);
  return opened;
}

// Start is clicked; what plays on the right has come back from Janus.
async function echoTest() {
  const { page, errors, outside } = await open('/echotest.html');
  await page.click('#start');
  await page.waitForFunction(() => {
    const video = document.querySelector('#videoright video');
    return video && !video.paused && video.currentTime > 1 && video.videoWidth > 0;
  });
  await page.screenshot({ path: `${folder}/echotest.png` });
  assert.deepEqual([errors, outside], [[], []]);
}

async function admin() {
  const { page, errors, outside } = await open('/admin.html');
  await page.waitForSelector('#secret', { state: 'visible' });
  assert.equal(await page.inputValue('#server'), '/admin');
  await page.fill('#secret', secret);
  await page.click('.bootbox .btn-primary');
  await page.waitForSelector('#server-details td', { state: 'attached' });
  for (const [tab, content] of Object.entries(TABS)) {
    await page.click(`#admintabs a[href="#${tab}"]`);
    await page.waitForSelector(content, { state: 'visible' });
    await page.screenshot({ path: `${folder}/admin-${tab}.png` });
  }
  assert.equal(await page.textContent('#sessions-num'), '1');
  // Debian's jQuery is newer than the page, and refuses this.
  assert.deepEqual(errors.filter((error) => !error.includes('a[href=#tokens]')), []);
  assert.deepEqual(outside, []);
}

try {
  await echoTest();
  await admin();
  console.log('the echo came back, and the admin page saw its session');
} finally {
  await browser.close();
}
