// node jitsi-xmpp.js < steps.json
//
// @xmpp/client, which opens a WebSocket, and enters a room. The steps are those of jitsi.js.
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';
import { start } from './start-xmpp.js';
import { within } from './within.js';

// Node 20 has no WebSocket of its own, 18 no crypto either.
globalThis.WebSocket ??= WebSocket;
globalThis.crypto ??= webcrypto;
const { client, xml } = await import('@xmpp/client');

async function enter(service, room) {
  const user = client({ service, domain: 'localhost' });
  user.reconnect.stop();
  // What starting rejects with is the same.
  user.on('error', () => {});
  const answered = new Promise((resolve) => {
    user.on('stanza', (stanza) => {
      if (!stanza.is('presence') || !stanza.attrs.from.startsWith(`${room}@`)) return;
      resolve(stanza.getChild('error')?.children[0].name ?? 'entered');
    });
  });
  try {
    await start(user);
  } catch {
    return 'refused';
  }
  const muc = xml('x', { xmlns: 'http://jabber.org/protocol/muc' });
  await user.send(xml('presence', { to: `${room}@conference.localhost/${crypto.randomUUID()}` }, muc));
  const outcome = await answered;
  await user.stop();
  return outcome;
}

const steps = JSON.parse(readFileSync(0, 'utf8'));
for (const { what, service, room, outcome } of steps) {
  assert.equal(await within(30, what, enter(service, room)), outcome, what);
}
console.log(`${steps.length} visits ended as they should`);
