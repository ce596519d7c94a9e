// node jitsi-refresh.js < visits.json
//
// What lib-jitsi-meet does with a newer token: it closes its WebSocket, opens one with that token,
// and resumes its session of XMPP. Here @xmpp/client does, while another client is in the room.
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

const { room, ada: adaAt, bob: bobAt, refused, newer } = JSON.parse(readFileSync(0, 'utf8'));
const conference = `${room}@conference.localhost`;

// The next stanza that is what is waited for.
const received = (user, is) => new Promise((resolve) => {
  const look = (stanza) => {
    if (!is(stanza)) return;
    user.off('stanza', look);
    resolve(stanza);
  };
  user.on('stanza', look);
});
const fromOccupant = (name) => (stanza) => stanza.is('presence') && stanza.attrs.from === `${conference}/${name}`;
const withBody = (text) => (stanza) => stanza.is('message') && stanza.getChildText('body') === text;
const say = (user, text) => user.send(xml('message', { to: conference, type: 'groupchat' }, xml('body', {}, text)));

// Unlike the one of node:events, it does not reject when there is an error first.
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

async function enter(service, name) {
  const user = client({ service, domain: 'localhost' });
  user.reconnect.stop();
  // What connecting rejects with is the same.
  user.on('error', () => {});
  await start(user);
  const entered = received(user, fromOccupant(name));
  const muc = xml('x', { xmlns: 'http://jabber.org/protocol/muc' });
  await user.send(xml('presence', { to: `${conference}/${name}` }, muc));
  assert.equal((await entered).attrs.type, undefined, `${name} enters`);
  return user;
}

async function refresh(user, service) {
  const url = new URL(service);
  url.searchParams.set('previd', user.streamManagement.id);
  user.options.service = url.href;
  await user.reconnect.reconnect();
}

async function story() {
  const bob = await enter(bobAt, 'bob');
  const seen = [];
  bob.on('stanza', (stanza) => stanza.is('presence') && seen.push(`${stanza.attrs.from} ${stanza.attrs.type}`));
  const ada = await enter(adaAt, 'ada');
  const { jid } = ada;
  assert(ada.streamManagement.id);

  const closed = once(ada, 'disconnect');
  ada.socket.end();
  await closed;
  const echoed = received(bob, withBody('meanwhile'));
  await say(bob, 'meanwhile');
  await echoed;
  for (const { what, service } of refused) {
    const closed = once(ada, 'disconnect');
    await assert.rejects(refresh(ada, service), what);
    await closed;
  }

  const missed = received(ada, withBody('meanwhile'));
  const resumed = once(ada.streamManagement, 'resumed');
  await refresh(ada, newer);
  await resumed;
  await missed;
  assert.equal(String(ada.jid), String(jid));

  const answered = received(bob, withBody('back'));
  await say(ada, 'back');
  await answered;
  assert.deepEqual(seen, [`${conference}/ada undefined`], 'what bob has seen of the others');
  await ada.stop();
  await bob.stop();
}

await within(60, 'the newer token', story());
console.log('ada has a newer token, and bob has seen nothing of it');
