// node janode.js wss://localhost:8443/janus-ws
//
// A janode client's usual life: session, VideoRoom handle, join a room, leave it.
import assert from 'node:assert/strict';
import { register } from 'node:module';

register('./without-unix-dgram.js', import.meta.url);
const { default: Janode } = await import('janode');
const { default: VideoRoom } = await import('janode/plugins/videoroom');

const ROOM = 1234;

Janode.Logger.setLevel('warning');

const connect = () => Janode.connect({
  is_admin: false,
  max_retries: 1,
  address: { url: process.argv[2] },
});

const connection = await connect();
const session = await connection.create();
assert.ok(Number.isSafeInteger(session.id), 'a session has a number');

const handle = await session.attach(VideoRoom);
const joined = await handle.joinPublisher({ room: ROOM, display: 'Ada' });
assert.equal(joined.room, ROOM);

// A second socket sees the first one's user: both speak to the same Janus.
const other = await connect();
const watcher = await (await other.create()).attach(VideoRoom);
const { participants } = await watcher.listParticipants({ room: ROOM });
assert.deepEqual(participants.map(({ feed, display }) => ({ feed, display })), [{ feed: joined.feed, display: 'Ada' }]);

const left = await handle.leave();
assert.equal(left.room, ROOM);
assert.equal(left.feed, joined.feed);
assert.deepEqual((await watcher.listParticipants({ room: ROOM })).participants, []);

await handle.detach();
await session.destroy();
await connection.close();
await other.close();
console.log(`joined and left room ${ROOM} as feed ${joined.feed}`);
