// node janode-admin.js wss://localhost:8443/admin-ws
//
// janode lists the sessions of Janus by the admin API, and is not told its secret.
import assert from 'node:assert/strict';
import { register } from 'node:module';

register('./without-unix-dgram.js', import.meta.url);
const { default: Janode } = await import('janode');

Janode.Logger.setLevel('warning');

const admin = await Janode.connect({
  is_admin: true,
  max_retries: 1,
  address: { url: process.argv[2] },
});
const { sessions } = await admin.listSessions();
assert.ok(Array.isArray(sessions), 'a list of sessions');
await admin.close();
console.log(`there are ${sessions.length} sessions`);
