// node kurento-java.js STORY wss://localhost:8443/kurento [CUT]
//
// What Kurento's Java client puts on the wire, without Java: its pings, its largest packets and its
// way to connect again. A connection to the port CUT ends those to Kurento.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { within } from './within.js';

const [story, url, cut] = process.argv.slice(2);
const LARGEST_PACKET = 1_000_000;
const RECONNECT_MILLIS = 2_000;

let count = 0;

async function open() {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  socket.on('close', (code, reason) => console.log(`closed with ${code} ${reason}`));
  return socket;
}

function request(method, params) {
  count += 1;
  return { id: count, method, params, jsonrpc: '2.0' };
}

// Gives the answer, and its length.
async function ask(socket, asked) {
  socket.send(JSON.stringify(asked));
  for (;;) {
    const [data] = await within(60, asked.method, once(socket, 'message'));
    const answer = JSON.parse(data);
    if (answer.id === asked.id) return { ...answer, length: data.length };
  }
}

async function ping(socket) {
  const { result } = await ask(socket, request('ping', { interval: 240_000 }));
  assert.equal(result.value, 'pong');
}

const create = (type, constructorParams = {}) => request('create', { type, constructorParams, properties: {} });

async function close(socket) {
  const closed = once(socket, 'close');
  socket.close(1000);
  assert.equal((await closed)[0], 1000);
}

const STORIES = {
  // A ping promises the next one in 240 s, and that one comes a little late.
  async silence() {
    const socket = await open();
    await ping(socket);
    await sleep(241_000);
    assert.equal(socket.readyState, WebSocket.OPEN, 'the connection has lasted');
    await ping(socket);
    await close(socket);
  },

  // The largest packet that it sends and takes, to the byte.
  async packets() {
    const socket = await open();
    const { result: { value: object, sessionId } } = await ask(socket, create('MediaPipeline'));
    const named = (name) => request('invoke', { object, operation: 'setName', operationParams: { name }, sessionId });
    const largest = named('');
    largest.params.operationParams.name = 'ä€😀 "\\ '.padEnd(LARGEST_PACKET, 'x');
    const excess = Buffer.byteLength(JSON.stringify(largest)) - LARGEST_PACKET;
    const name = largest.params.operationParams.name.slice(0, -excess);
    largest.params.operationParams.name = name;
    assert.equal(Buffer.byteLength(JSON.stringify(largest)), LARGEST_PACKET);
    assert.equal((await ask(socket, largest)).error, undefined);
    const got = await ask(socket, request('invoke', { object, operation: 'getName', sessionId }));
    assert.equal(got.result.value, name);
    assert(got.length > LARGEST_PACKET - 200, `${got.length}`);
    await ask(socket, request('release', { object, sessionId }));
    await close(socket);
  },

  // After a loss it waits, and asks for its session before anything else.
  async reconnect() {
    const first = await open();
    const { result: { value: object, sessionId } } = await ask(first, create('MediaPipeline'));
    const lost = once(first, 'close');
    dial(Number(cut), '127.0.0.1').on('error', () => {});
    const [code] = await within(30, 'the loss is noticed', lost);
    assert.notEqual(code, 1000);
    await sleep(RECONNECT_MILLIS);
    const again = await open();
    const { result } = await ask(again, request('connect', { sessionId }));
    assert.equal(result.sessionId, sessionId);
    const { error } = await ask(again, request('invoke', { object, operation: 'getName', sessionId }));
    assert.equal(error, undefined);
    await ask(again, request('release', { object, sessionId }));
    await close(again);
  },
};

await STORIES[story]();
console.log(`${story}: done`);
process.exit();
