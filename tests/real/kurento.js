// node kurento.js STORY wss://localhost:8443/kurento [CONTROL_PORT of the stand-in]
//
// kurento-client, unchanged. The stories are below.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import kurento from 'kurento-client';
import { within } from './within.js';

const [story, uri, control] = process.argv.slice(2);

let connections = 0;
let pongs = 0;

function connect() {
  const client = kurento(uri, { socket: { ca: readFileSync(process.env.NODE_EXTRA_CA_CERTS) } });
  // The branch of reconnect-core that it names does not mind that nobody listens.
  client._re.on('error', (error) => console.log(String(error.message ?? error)));
  client._re.on('connection', (stream) => {
    connections += 1;
    stream.on('data', (text) => { if (JSON.parse(text).result?.value === 'pong') pongs += 1; });
  });
  return client;
}

async function eventually(isSo) {
  while (!isSo()) await sleep(100);
}

async function createEndpoint(client) {
  const pipeline = await client.create('MediaPipeline');
  const endpoint = await pipeline.create('WebRtcEndpoint');
  const gathered = new Promise((resolve) => { endpoint.on('IceGatheringDone', resolve); });
  await endpoint.gatherCandidates();
  const event = await gathered;
  assert.equal(event.source, endpoint.id);
  return { pipeline, endpoint };
}

const STORIES = {
  // An endpoint, an event, and its ping of each minute.
  async life() {
    const client = await connect();
    const { pipeline, endpoint } = await createEndpoint(client);
    await within(90, 'the second ping is answered', eventually(() => pongs >= 2));
    assert.equal(await endpoint.getName(), endpoint.id);
    assert.equal(connections, 1);
    await pipeline.release();
    client.close();
  },

  // The server loses the connection, then everything.
  async reconnect() {
    const client = await connect();
    const { endpoint } = await createEndpoint(client);
    for (const [command, expected] of [['drop', true], ['restart', false]]) {
      const again = once(client, 'reconnected');
      await fetch(`http://127.0.0.1:${control}/${command}`, { method: 'POST' });
      const [sameSession] = await within(30, 'a connection again', again);
      assert.equal(sameSession, expected, command);
      if (sameSession) assert.equal(await endpoint.getName(), endpoint.id);
    }
    client.close();
  },

  // For a moment only.
  async once() {
    const client = await connect();
    const { pipeline } = await createEndpoint(client);
    await pipeline.release();
    client.close();
  },

  // It never says that it was refused, but tries again and again.
  async refused() {
    connect();
    await sleep(3_000);
    assert.equal(connections, 0);
  },
};

await within(110, story, STORIES[story]());
console.log(`${story}: done, ${connections} connections, ${pongs} pongs`);
process.exit();
