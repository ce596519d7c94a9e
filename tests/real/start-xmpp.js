// Starts a client of @xmpp/client, and waits until its stream management is on.
//
// @xmpp/client sets its count of stanzas to zero a moment after `<enabled/>`. If stanzas and a request
// for that count arrive before, its answer is too high, and Prosody ends the session.
import { setTimeout } from 'node:timers/promises';

export async function start(user) {
  const jid = await user.start();
  while (!user.streamManagement.enabled) await setTimeout(5);
  return jid;
}
