// node drain.js REST-URL WEBSOCKET-URL
//
// janus.js, unchanged, with one session over HTTP and one on a WebSocket, while its gateway is stopped: what it has
// asked for is answered, and the WebSocket is closed with 1001.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { WebSocket } from 'ws';

const [rest, websocket] = process.argv.slice(2);
const gone = withResolvers();
const closed = withResolvers();
const wrong = [];

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

// All that janus.js needs of a page. Its file is a module for browsers.
globalThis.window = { addEventListener() {}, RTCPeerConnection: true };
if (!globalThis.navigator) globalThis.navigator = { platform: 'node' };
const code = readFileSync(createRequire(import.meta.url).resolve('janus-gateway'), 'utf8');
const Janus = new Function(`${code.replace(/^export .*$/m, '')}; return Janus;`)();

// A kept connection may be closed as idle while a request is on its way: browsers send a GET again, Node's fetch does
// not.
const asBrowsersDo = async (url, options) => {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (options.method === 'GET' && error.cause?.code === 'UND_ERR_SOCKET') return fetch(url, options);
    throw error;
  }
};

// The connections that this one makes are refused once the gateway is gone: only what was answered or cut counts.
let polls = 0;
const watched = async (url, options) => {
  const isPoll = options.method === 'GET';
  try {
    const response = await asBrowsersDo(url, options);
    assert.equal(response.status, 200);
    const text = await response.text();
    if (isPoll) {
      polls += 1;
      assert.match(text, /"janus"\s*:\s*"keepalive"/);
    }
    return new Response(text, response);
  } catch (error) {
    if (error.cause?.code === 'ECONNREFUSED') {
      gone.resolve();
    } else {
      wrong.push(error);
      gone.reject(error);
    }
    throw error;
  }
};

class Watched extends WebSocket {
  constructor(...given) {
    super(...given);
    this.on('close', (code, reason) => closed.resolve([code, reason.toString()]));
    this.on('error', (error) => wrong.push(error));
  }
}

const dependencies = Janus.useDefaultDependencies({
  fetch: watched, WebSocket: Watched, adapter: { browserDetails: { browser: 'node' } },
});
await new Promise((callback) => Janus.init({ debug: false, callback, dependencies }));

const session = (server) => new Promise((success, reject) => {
  const janus = new Janus({
    server,
    success: () => success(janus),
    // That the connection has ended is what it says of any end.
    error: (error) => /Lost connection/.test(error) || reject(new Error(error)),
    destroyed() {},
  });
});
const sessions = await Promise.all([rest, websocket].map(session));
assert.ok(sessions.every((janus) => janus.isConnected()));

assert.deepEqual(await closed.promise, [1001, 'going away']);
await gone.promise;
assert.ok(polls > 0, 'the long poll was answered');
assert.deepEqual(wrong, []);
console.log(`closed with 1001 after ${polls} long polls`);
process.exit(0);
