// node renew-janode.js, told by standard input
//
// janode, unchanged, in a room for longer than its tokens: the gateway has the next one before the
// last expires.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

register('./without-unix-dgram.js', import.meta.url);
const { default: Janode } = await import('janode');
const { default: VideoRoom } = await import('janode/plugins/videoroom');

const ROOM = 1234;
const given = JSON.parse(readFileSync(0, 'utf8'));
const until = (time) => sleep(Math.max(0, time * 1000 - Date.now()));

async function renew(old, newer) {
  const response = await fetch(given.renew, {
    method: 'POST', headers: { Authorization: `Bearer ${newer}` }, body: new URLSearchParams({ old }),
  });
  assert.equal(response.status, 200);
  return response.json();
}

Janode.Logger.setLevel('warning');
let { token } = given;
const connection = await Janode.connect({
  is_admin: false,
  max_retries: 1,
  address: { url: `${given.uri}?token=${token}` },
});
connection.once(Janode.EVENT.CONNECTION_ERROR, () => { throw new Error('the connection has ended'); });
const session = await connection.create();
const handle = await session.attach(VideoRoom);
const { feed } = await handle.joinPublisher({ room: ROOM, display: 'Ada' });

for (const { at, token: newer } of given.renewals) {
  await until(at);
  assert.equal((await renew(token, newer)).renewed, 1);
  token = newer;
}
await until(given.until);
const { participants } = await handle.listParticipants({ room: ROOM });
assert.deepEqual(participants.map((one) => one.feed), [feed]);
await handle.leave();
await session.destroy();
await connection.close();
console.log(`renewed ${given.renewals.length} times`);
