// node admin.js https://localhost:8443 certs/ca.pem FOLDER < JSON
//
// A browser that may not see /admin signs in with a token and gets to Janus' own admin
// page, which lists its sessions. Pictures of the form are left in FOLDER. Standard
// input says { token, ends, newer, session, secret }.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { launch } from './chromium.js';

const [server, ca, folder] = process.argv.slice(2);
const given = JSON.parse(readFileSync(0, 'utf8'));

const browser = await launch(server, ca);

async function isRefused(page) {
  const answer = await page.goto(`${server}/admin`);
  assert.equal(answer.status(), 401);
  assert.equal(await page.locator('h1').textContent(), 'Sign in');
  assert.equal(await page.locator('script').count(), 0);
}

async function pictures() {
  for (const [name, options] of [
    ['light', { colorScheme: 'light', viewport: { width: 1000, height: 700 } }],
    ['dark', { colorScheme: 'dark', viewport: { width: 1000, height: 700 } }],
    ['phone', { colorScheme: 'light', viewport: { width: 360, height: 640 } }],
  ]) {
    const page = await browser.newPage(options);
    await isRefused(page);
    if (name === 'phone') await submit(page, 'rubbish');
    await page.screenshot({ path: `${folder}/sign-in-${name}.png` });
    await page.close();
  }
}

async function submit(page, token) {
  await page.fill('input[name=token]', token);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click('button')]);
  return answer;
}

async function ownCookies(context) {
  const cookies = await context.cookies([`${server}/admin`, `${server}/.ianitor/renew`, `${server}/`]);
  return cookies.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

// Another site's page cannot sign a browser in, even with a token that is good.
async function otherSites() {
  const page = await browser.newPage();
  await page.setContent(`<form method="post" action="${server}/.ianitor/sign-in">
    <input name="token" value="${given.token}"><input name="to" value="/admin"><button>go</button></form>`);
  const [answer] = await Promise.all([page.waitForNavigation(), page.click('button')]);
  assert.equal(answer.status(), 403);
  assert.deepEqual(await ownCookies(page.context()), []);
  await page.close();
}

try {
  await pictures();
  await otherSites();
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on('console', (message) => console.error(`page: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`page: ${error}`));
  await isRefused(page);

  const refused = await submit(page, 'rubbish');
  assert.equal(refused.status(), 401);
  assert.equal(await page.locator('.bad').textContent(), 'This token was not accepted.');

  const landed = await submit(page, given.token);
  assert.equal(landed.status(), 200);
  assert.equal(page.url(), `${server}/admin.html`);
  for (const [at, cookie] of (await ownCookies(context)).entries()) {
    const { name, value, path, httpOnly, secure, sameSite, domain, expires } = cookie;
    assert.deepEqual(
      { name, value, path, httpOnly, secure, sameSite, domain },
      {
        name: 'ianitor', value: given.token, path: ['/.ianitor', '/admin'][at],
        httpOnly: true, secure: true, sameSite: 'Strict', domain: 'localhost',
      },
    );
    assert.ok(expires <= given.ends + 1, `${expires} > ${given.ends}`);
  }
  assert.equal((await ownCookies(context)).length, 2);
  assert.equal(await page.evaluate(() => document.cookie), '');

  // Janus' own page asks for its own secret, then talks to /admin.
  await page.fill('#secret', given.secret);
  await page.click('.bootbox .btn-primary');
  const session = page.locator(`#session-${given.session}`);
  await session.waitFor({ state: 'attached', timeout: 30_000 });
  await page.click('a[href="#handlesinfo"]');
  await session.waitFor({ state: 'visible', timeout: 30_000 });

  // A newer token goes in place of the first.
  const renewed = await page.evaluate(async (newer) => {
    const headers = { Authorization: `Bearer ${newer}` };
    const answer = await fetch('/.ianitor/renew', { method: 'POST', headers, body: new URLSearchParams({ to: '/admin' }) });
    return { status: answer.status, body: await answer.json() };
  }, given.newer);
  assert.equal(renewed.status, 200);
  assert.deepEqual((await ownCookies(context)).map((cookie) => cookie.value), [given.newer, given.newer]);

  await page.goto(`${server}/.ianitor/sign-out?to=/admin`);
  await Promise.all([page.waitForNavigation(), page.click('button')]);
  assert.equal(await page.locator('h1').textContent(), 'Signed out');
  assert.deepEqual(await ownCookies(context), []);
  await isRefused(page);
  console.log(`signed in, saw session ${given.session}, renewed, signed out`);
} finally {
  await browser.close();
}
