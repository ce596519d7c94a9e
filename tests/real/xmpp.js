// node xmpp.js wss://localhost:8443/xmpp-websocket
//
// Two users of @xmpp/client who write to each other.
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { on } from 'node:events';
import WebSocket from 'ws';

// Node 20 has no WebSocket of its own, 18 no crypto either.
globalThis.WebSocket ??= WebSocket;
globalThis.crypto ??= webcrypto;
const { client, xml } = await import('@xmpp/client');

const service = process.argv[2];

async function join() {
  const user = client({ service, domain: 'localhost' });
  // Keeps what comes before it is asked for; presence comes too.
  const stanzas = on(user, 'stanza');
  const jid = await user.start();
  await user.send(xml('presence'));
  return { user, stanzas, jid: String(jid) };
}

async function message({ stanzas }) {
  for (;;) {
    const { value: [stanza] } = await stanzas.next();
    if (stanza.is('message')) return stanza.getChildText('body');
  }
}

const [ada, bob] = [await join(), await join()];
const large = 'x'.repeat(200_000);
for (const [from, to] of [[ada, bob], [bob, ada]]) {
  for (const text of ['hello', large]) {
    await from.user.send(xml('message', { to: to.jid, type: 'chat' }, xml('body', {}, text)));
    assert.equal(await message(to), text);
  }
}
await ada.user.stop();
await bob.user.stop();
console.log(`${ada.jid} and ${bob.jid} wrote to each other`);
