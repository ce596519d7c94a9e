// node kurento-guarded.js STORY OPTIONS
//
// kurento-client, unchanged, where a policy judges its messages. OPTIONS is JSON: the `url` up to
// the name of a policy, a token of each of `users`, the port that cuts the connections to Kurento
// when it is touched (`cut`), and the control port of the stand-in (`control`) unless a real
// Kurento is there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import domain from 'node:domain';
import { within } from './within.js';

// Its transactions are made for domains that newer versions of node do not have. It does without
// them where there are none, as in a browser.
domain.Domain = undefined;
const { default: kurento } = await import('kurento-client');

const [story, options] = process.argv.slice(2);
const { url, users, cut, control } = JSON.parse(options);
const ca = readFileSync(process.env.NODE_EXTRA_CA_CERTS);

let newest; // connection

// With the token in the URL, or in `headers`.
async function connect(policy, user, headers) {
  const access = headers ? {} : { access_token: users[user] };
  const client = kurento(`${url}/${policy}/kurento`, { ...access, socket: { ca, headers: headers ?? {} } });
  client._re.on('error', (error) => console.log(String(error.message ?? error)));
  client._re.on('connection', (stream) => { newest = stream; });
  return within(20, `${user} is connected`, client.then(() => client));
}

const next = (emitter, type) => within(20, type, new Promise((resolve) => { emitter.once(type, resolve); }));

// Promises of kurento-client keep errors of operations to themselves; its callbacks get them.
async function refused(code, Type, call) {
  const error = await within(20, `refused with ${code}`, new Promise((resolve, reject) => {
    call((failure, value) => (failure ? resolve(failure) : reject(new Error(`not refused: ${value}`))));
  }));
  assert.equal(error.code, code, String(error));
  assert(error instanceof Type, `${error.constructor.name}: ${error}`);
}

const notFound = (call) => refused(40101, ReferenceError, call);
const notAllowed = (call) => refused(-32000, Error, call);

async function createCall(client) {
  const pipeline = await client.create('MediaPipeline');
  const caller = await pipeline.create('WebRtcEndpoint');
  const callee = await pipeline.create('WebRtcEndpoint');
  return { pipeline, caller, callee };
}

// What a real one knows, the stand-in knows too. kurento-client describes each pipeline of the
// list, and gives nothing if one of them has been released meanwhile: another story may do that.
const pipelinesSeenBy = async (client) => {
  const manager = await client.getServerManager();
  for (let tries = 0; tries < 20; tries += 1) {
    const pipelines = await manager.getPipelines();
    if (pipelines) return pipelines.map(({ id }) => id);
  }
  throw new Error('each list had a pipeline that was released before it was described');
};

const STORIES = {
  // A call from its pipeline to its end.
  async call() {
    const client = await connect('app', 'ada');
    const { pipeline, caller, callee } = await createCall(client);
    assert(caller.id.startsWith(`${pipeline.id}/`), caller.id);
    const connected = next(caller, 'ElementConnected');
    await caller.connect(callee);
    assert.equal((await connected).source, caller.id);
    const offer = await callee.generateOffer();
    assert.match(offer, /^v=0/);
    const answer = await caller.processOffer(offer);
    assert.match(answer, /^v=0/);
    await callee.processAnswer(answer);
    const gathered = next(caller, 'IceGatheringDone');
    await caller.gatherCandidates();
    assert.equal((await gathered).source, caller.id);
    assert.equal((await caller.getMediaPipeline()).id, pipeline.id);
    await caller.disconnect(callee);
    await callee.release();
    await notFound((done) => callee.getName(done));
    assert.equal(typeof await caller.getName(), 'string');
    await pipeline.release();
    await notFound((done) => client.getMediaobjectById(`${pipeline.id}/x`, done));
    const manager = await client.getServerManager();
    assert.match((await manager.getInfo()).version, /\d/);
    client.close();
  },

  // Everything at once, and a part of it that is not allowed.
  async transaction() {
    const client = await connect('app', 'ada');
    const transaction = client.beginTransaction();
    const pipeline = client.create(transaction, 'MediaPipeline');
    const caller = pipeline.create(transaction, 'WebRtcEndpoint');
    caller.setName(transaction, 'the caller', () => {});
    await within(20, 'the transaction', new Promise((resolve, reject) => {
      transaction.commit((error) => (error ? reject(error) : resolve()));
    }));
    // What it has created is the client's.
    const again = await client.getMediaobjectById((await caller).id);
    assert.equal(await again.getName(), 'the caller');
    const more = client.beginTransaction();
    pipeline.create(more, 'RecorderEndpoint', { uri: 'file:///etc/x' }, () => {});
    await notAllowed((done) => more.commit(done));
    await (await pipeline).release();
    client.close();
  },

  // The objects of one user do not exist for another.
  async foreign() {
    const ada = await connect('app', 'ada');
    const { pipeline, caller } = await createCall(ada);
    const eve = await connect('app', 'eve');
    const own = await eve.create('MediaPipeline');
    const endpoint = await own.create('WebRtcEndpoint');
    for (const { id } of [pipeline, caller]) await notFound((done) => eve.getMediaobjectById(id, done));
    await notFound((done) => endpoint.connect(caller, done));
    const manager = await eve.getServerManager();
    for (const list of ['getPipelines', 'getSessions', 'getUsedMemory']) await notAllowed((done) => manager[list](done));
    await notAllowed((done) => manager.getKmd('core', done));
    assert.equal(typeof await caller.getName(), 'string');
    // Another connection of the same user may use them.
    const second = await connect('app', 'ada');
    const same = await second.getMediaobjectById(caller.id);
    assert.equal(typeof await same.getName(), 'string');
    await pipeline.release();
    await own.release();
    for (const client of [ada, eve, second]) client.close();
  },

  // The connection to Kurento is lost, then that to the gateway: with the same objects each time.
  async cut() {
    const client = await connect('app', 'ada');
    const { pipeline, caller } = await createCall(client);
    const cuts = [
      () => dial(cut, '127.0.0.1').on('error', () => {}),
      () => newest.websocketStream.ws._socket.destroy(),
    ];
    for (const [at, lose] of cuts.entries()) {
      const again = once(client, 'reconnected');
      lose();
      assert.deepEqual(await within(30, `a connection after cut ${at}`, again), [true]);
      const gathered = next(caller, 'IceGatheringDone');
      await caller.gatherCandidates();
      assert.equal((await gathered).source, caller.id);
    }
    await pipeline.release();
    client.close();
  },

  // Kurento is a new process: the client forgets its objects, and begins anew.
  async restart() {
    const client = await connect('app', 'ada');
    const { caller } = await createCall(client);
    const again = once(client, 'reconnected');
    await fetch(`http://127.0.0.1:${control}/restart`, { method: 'POST' });
    assert.deepEqual(await within(30, 'a connection again', again), [false]);
    // Its session is unknown now.
    await refused(40101, Error, (done) => caller.getName(done));
    await (await client.create('MediaPipeline')).release();
    client.close();
  },

  // Files and other hosts are not opened; what the policy lists is.
  async uris() {
    const client = await connect('app', 'ada');
    const pipeline = await client.create('MediaPipeline');
    const listed = 'https://media.example.com/pub/a.webm';
    for (const uri of ['file:///etc/x', 'http://169.254.169.254/', '/etc/x', listed]) {
      for (const type of ['PlayerEndpoint', 'RecorderEndpoint']) await notAllowed((done) => pipeline.create(type, { uri }, done));
    }
    const filter = await pipeline.create('FaceOverlayFilter');
    await notAllowed((done) => filter.setOverlayedImage('file:///etc/x', 0, 0, 1, 1, done));
    // Here the library sends a text in place of the parameters.
    const overlay = await pipeline.create('ImageOverlayFilter');
    const add = (done) => overlay.addImage('a', 'file:///etc/x', 0, 0, 1, 1, true, true, done);
    await refused(-32602, Error, add);
    await notAllowed((done) => pipeline.create('GStreamerFilter', { command: 'filesrc location=/etc/x' }, done));
    await pipeline.release();
    client.close();
  },

  async listed() {
    const client = await connect('media', 'ada');
    const pipeline = await client.create('MediaPipeline');
    const elsewhere = { uri: 'https://media.example.com/private/a.webm' };
    await notAllowed((done) => pipeline.create('PlayerEndpoint', elsewhere, done));
    const player = await pipeline.create('PlayerEndpoint', { uri: 'https://media.example.com/pub/a.webm' });
    // A real Kurento does not find the host.
    const ended = Promise.race([next(player, 'EndOfStream'), next(player, 'Error')]);
    await player.play();
    assert.equal((await ended).source, player.id);
    await pipeline.release();
    client.close();
  },

  // Lists and releases what belongs to others, and creates nothing.
  async operator() {
    const ada = await connect('app', 'ada');
    const { pipeline, caller } = await createCall(ada);
    const operator = await connect('operators', 'otto');
    assert((await pipelinesSeenBy(operator)).includes(pipeline.id));
    const manager = await operator.getServerManager();
    assert((await manager.getSessions()).length > 0);
    const seen = await operator.getMediaobjectById(pipeline.id);
    assert.equal(typeof await seen.getCreationTime(), 'number');
    await notAllowed((done) => operator.create('MediaPipeline', done));
    const endpoint = await operator.getMediaobjectById(caller.id);
    await notFound((done) => endpoint.generateOffer(done));
    await seen.release();
    assert(!(await pipelinesSeenBy(operator)).includes(pipeline.id));
    await notFound((done) => caller.getName(done));
    ada.close();
    operator.close();
  },

  // Reads the state of the server, and nothing of anybody's.
  async observer() {
    const ada = await connect('app', 'ada');
    const { pipeline } = await createCall(ada);
    const observer = await connect('observers', 'olga');
    const manager = await observer.getServerManager();
    assert.match((await manager.getInfo()).version, /\d/);
    assert.equal(typeof await manager.getUsedMemory(), 'number');
    for (const list of ['getPipelines', 'getSessions']) await notAllowed((done) => manager[list](done));
    await notAllowed((done) => observer.create('MediaPipeline', done));
    await notFound((done) => observer.getMediaobjectById(pipeline.id, done));
    await pipeline.release();
    ada.close();
    observer.close();
  },

  // A token in a header in place of one in the URL.
  async header() {
    const client = await connect('app', 'ada', { Authorization: `Bearer ${users.ada}` });
    await (await client.create('MediaPipeline')).release();
    client.close();
  },

  // A newer token for the open connection, and for the next one.
  async renewed() {
    const headers = { Authorization: `Bearer ${users.rita}` };
    const client = await connect('app', 'rita', headers);
    const { pipeline, caller } = await createCall(client);
    headers.Authorization = `Bearer ${users.newerRita}`;
    const body = new URLSearchParams({ old: users.rita });
    const answer = await fetch(`${url.replace(/^wss/, 'https')}/.ianitor/renew`, { method: 'POST', headers, body });
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).renewed, 1);
    const again = once(client, 'reconnected');
    dial(cut, '127.0.0.1').on('error', () => {});
    assert.deepEqual(await within(30, 'a connection again', again), [true]);
    assert.equal(typeof await caller.getName(), 'string');
    await pipeline.release();
    client.close();
  },
};

await within(100, story, STORIES[story]());
console.log(`${story}: done`);
process.exit();
