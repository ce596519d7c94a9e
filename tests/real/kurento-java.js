// node kurento-java.js wss://localhost:8443/kurento
//
// The longest silence of Kurento's Java client: a ping that promises the next one in
// 240 s, and that one a little late.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';

const socket = new WebSocket(process.argv[2]);
await once(socket, 'open');
socket.on('close', (code, reason) => console.log(`closed with ${code} ${reason}`));

async function ping(id) {
  const answered = once(socket, 'message');
  socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'ping', params: { interval: 240_000 } }));
  assert.deepEqual(JSON.parse((await answered)[0]), { id, jsonrpc: '2.0', result: { value: 'pong' } });
}

await ping(1);
await sleep(241_000);
assert.equal(socket.readyState, WebSocket.OPEN, 'the connection has lasted');
await ping(2);
socket.close(1000);
const [code] = await once(socket, 'close');
assert.equal(code, 1000);
console.log('pings 241 s apart were answered');
