// node renew-kurento.js, told by standard input
//
// kurento-client, unchanged, on one connection for longer than its tokens: the gateway has the next
// one before the last expires, by a request (way "request") or by a message (way "message").
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import kurento from 'kurento-client';
import { within } from './within.js';

const given = JSON.parse(readFileSync(0, 'utf8'));
const until = (time) => sleep(Math.max(0, time * 1000 - Date.now()));

const headers = { Authorization: `Bearer ${given.token}` };
const socket = { ca: readFileSync(process.env.NODE_EXTRA_CA_CERTS), headers };
const connecting = kurento(given.uri, { socket });
let connections = 0;
connecting._re.on('error', (error) => console.log(String(error.message ?? error)));
connecting._re.on('connection', () => { connections += 1; });
const client = await within(10, 'a connection', connecting);

const server = await client.getServerManager();

const WAYS = {
  async request(old, newer) {
    const response = await fetch(given.renew, {
      method: 'POST', headers: { Authorization: `Bearer ${newer}` }, body: new URLSearchParams({ old }),
    });
    assert.equal(response.status, 200);
    const { renewed, expires } = await response.json();
    assert.equal(renewed, 1);
    return expires;
  },
  async message(old, newer) {
    const { expires } = await new Promise((resolve, reject) => {
      server.emit('_rpc', undefined, 'ianitor.renew', { token: newer }, (error, result) => (error ? reject(error) : resolve(result)));
    });
    return expires;
  },
};

const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

const pipeline = await client.create('MediaPipeline');
let { token } = given;
for (const { at, token: newer } of given.renewals) {
  await until(at);
  assert.equal(await within(10, 'a renewal', WAYS[given.way](token, newer)), claims(newer).exp);
  token = newer;
  headers.Authorization = `Bearer ${token}`;
  assert.equal(await pipeline.getName(), pipeline.id);
}
if (given.way === 'message') {
  await assert.rejects(WAYS.message(token, given.token), { code: -32000, message: 'The token does not expire later' });
}
await until(given.until);
assert.equal(await pipeline.getName(), pipeline.id);
assert.equal(connections, 1);

// The next connection has the newest token, and asks for the session of the last one.
const again = once(client, 'reconnected');
await fetch(`http://127.0.0.1:${given.control}/drop`, { method: 'POST' });
const [sameSession] = await within(30, 'a connection again', again);
assert.equal(sameSession, true);
assert.equal(await pipeline.getName(), pipeline.id);
assert.equal(connections, 2);
await pipeline.release();
client.close();
console.log(`renewed ${given.renewals.length} times`);
process.exit();
