// node whip.js https://localhost:8443 certs/ca.pem < JSON
//
// Pages of another origin publish by WHIP and play by WHEP, in Chromium with a fake camera.
// Standard input says { page, whip, whep, room, tokens }: the port of the pages, those of the
// servers, a room of Janus, and the tokens of alice, mallory and the viewer.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, openPage } from './chromium.js';
import { within } from './within.js';

const [gateway, ca] = process.argv.slice(2);
const { page: port, whip, whep, room, tokens } = JSON.parse(readFileSync(0, 'utf8'));

const html = readFileSync('whip.html');
const pages = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(html));
pages.listen(port, '127.0.0.1');
await once(pages, 'listening');

// What is asked of a server itself.
const direct = async (target, body) => {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${target}`, body && { method: 'POST', headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${target}: ${answer.status}`);
  return answer;
};
const participants = async () => (await direct(`${whep}/participants?room=${room}`)).json();
const until = async (what, isSo) => within(30, what, (async () => {
  while (!(await isSo())) await sleep(100);
})());

await direct(`${whip}/whip/create`, { id: 'studio', room });

const browser = await launch(gateway, ca);
const open = async () => {
  const { page } = await openPage(browser, `http://127.0.0.1:${port}/`);
  await page.waitForFunction(() => window.end);
  // Runs a function of the page.
  return (name, ...given) => within(60, name, page.evaluate(([name, given]) => window[name](...given), [name, given]));
};
try {
  const [alice, mallory, viewer] = [await open(), await open(), await open()];
  const endpoint = `${gateway}/live/endpoint/studio`;

  // Published, with everything readable that a client needs.
  const published = await alice('publish', endpoint, tokens.alice);
  assert.equal(published.url, `${gateway}/live/resource/studio`);
  assert.match(published.etag, /^".+"$/);
  assert.equal(published['accept-patch'], 'application/trickle-ice-sdpfrag');
  assert.equal(published.link, '<stun:stun.example.net>; rel="ice-server"');
  assert.equal(await alice('trickle', tokens.alice, published.etag), 204);
  assert.equal(await alice('trickle', tokens.alice, '"another"'), 412);
  assert.equal(await mallory('statusOf', 'POST', endpoint, tokens.mallory, 'application/sdp', 'v=0\r\n'), 403);

  // Played.
  await direct(`${whep}/endpoint?id=studio&room=${room}`, {});
  const watching = `${gateway}/whep/endpoint/studio`;
  const played = await viewer('play', watching, tokens.viewer);
  assert.ok(played.url.startsWith(`${gateway}/whep/resource/`), played.url);
  await until('frames are decoded', async () => (await viewer('framesDecoded')) > 0);

  // Another subject ends neither, and a viewer is no publisher.
  for (const url of [published.url, played.url]) {
    for (const [method, type, body] of [
      ['DELETE'],
      ['PATCH', 'application/trickle-ice-sdpfrag', 'a=end-of-candidates\r\n'],
      ['POST', 'application/sdp', 'v=0\r\n'],
    ]) {
      assert.equal(await mallory('statusOf', method, url, tokens.mallory, type, body), 404, `${method} ${url}`);
    }
  }
  assert.equal(await viewer('statusOf', 'DELETE', published.url, tokens.viewer), 403);
  const before = await viewer('framesDecoded');
  await until('the stream goes on', async () => (await viewer('framesDecoded')) > before);
  assert.equal((await participants()).length, 1);

  // Their owners do.
  assert.equal(await viewer('end', tokens.viewer), 200);
  assert.equal(await viewer('end', tokens.viewer), 404);
  assert.equal(await alice('end', tokens.alice), 200);
  await until('nobody publishes', async () => (await participants()).length === 0);

  // The same URL is another's when another publishes there.
  const again = await mallory('publish', endpoint, tokens.mallory);
  assert.equal(again.url, published.url);
  assert.equal(await alice('end', tokens.alice), 404);
  assert.equal((await participants()).length, 1);
  assert.equal(await mallory('end', tokens.mallory), 200);
  console.log('published, played, and ended by their owners alone');
} finally {
  await browser.close();
  pages.close();
}
