// node kurento-stand-in.js PORT
//
// What clients need of a Kurento 7.3: nobody packages one. It says and refuses what a
// real one does, and writes a line for each thing that happens.
//
// SIGUSR2 drops every connection; SIGHUP forgets all sessions before that, as a new
// process would have.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const MODULES = ['core', 'elements', 'filters'];
const MANAGER = 'manager_ServerManager';

const serverId = randomUUID();
const sessions = new Map(); // id -> { id, socket }
const objects = new Map([[MANAGER, { type: 'ServerManager', events: new Set() }]]); // id -> { type, session, events }
let sockets = 0;

const say = (...words) => console.log(words.join(' '));

class Refusal extends Error {
  constructor(code, type, message) {
    super(message);
    Object.assign(this, { code, type });
  }
}

function newSession(socket, id = randomUUID()) {
  sessions.set(id, { id, socket });
  return id;
}

// A session is the connection's, until a message names another one: that moves to it.
function sessionOf(socket, params) {
  socket.session = params.sessionId ?? socket.session ?? newSession(socket);
  const session = sessions.get(socket.session);
  if (session) session.socket = socket; else newSession(socket, socket.session);
  return socket.session;
}

function objectOf(params) {
  const object = objects.get(params.object);
  if (!object) throw new Refusal(40101, 'MEDIA_OBJECT_NOT_FOUND', `Object '${params.object}' not found`);
  return object;
}

function emit(id, type) {
  const { session, events } = objects.get(id);
  if (!events.has(type)) return;
  const data = { source: id, tags: [], timestampMillis: String(Date.now()), type };
  const params = { value: { data, object: id, type } };
  sessions.get(session)?.socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'onEvent', params }));
}

const OPERATIONS = {
  getInfo: () => ({
    version: '7.3.0',
    modules: MODULES.map((name) => ({ name, version: '7.3.0', generationTime: '', factories: [] })),
    type: 'KMS',
    capabilities: ['transactions'],
  }),
  getName: ({ object }) => object,
  gatherCandidates: ({ object }) => { setImmediate(emit, object, 'IceGatheringDone'); },
};

const METHODS = {
  ping: () => ({ value: 'pong' }),
  connect(socket, params) {
    if (params.sessionId !== undefined && !sessions.has(params.sessionId)) {
      throw new Refusal(40007, 'INVALID_SESSION', 'Invalid session');
    }
    return { serverId, sessionId: sessionOf(socket, params) };
  },
  describe(socket, params) {
    const { type } = objectOf(params);
    const hierarchy = ['kurento.MediaObject'];
    return { sessionId: sessionOf(socket, params), type, qualifiedType: `kurento.${type}`, hierarchy };
  },
  create(socket, params) {
    const session = sessionOf(socket, params);
    const own = `${randomUUID()}_kurento.${params.type}`;
    const pipeline = params.constructorParams?.mediaPipeline;
    const id = pipeline ? `${pipeline}/${own}` : own;
    objects.set(id, { type: params.type, session, events: new Set() });
    return { sessionId: session, value: id };
  },
  invoke(socket, params) {
    objectOf(params);
    const operation = OPERATIONS[params.operation];
    if (!operation) throw new Refusal(40105, 'MEDIA_OBJECT_METHOD_NOT_FOUND', `No '${params.operation}'`);
    return { sessionId: sessionOf(socket, params), value: operation(params) };
  },
  subscribe(socket, params) {
    objectOf(params).events.add(params.type);
    return { sessionId: sessionOf(socket, params), value: randomUUID() };
  },
  release(socket, params) {
    objectOf(params);
    objects.delete(params.object);
    return { sessionId: sessionOf(socket, params) };
  },
};

function answer(socket, { id, method, params = {} }) {
  try {
    if (!Object.hasOwn(METHODS, method)) throw new Refusal(-32601, 'METHOD_NOT_FOUND', `Method '${method}' not found`);
    return { id, jsonrpc: '2.0', result: METHODS[method](socket, params ?? {}) };
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return { id, jsonrpc: '2.0', error: { code: refusal.code, data: { type: refusal.type }, message: refusal.message } };
  }
}

function receive(socket, text) {
  let request;
  try {
    request = JSON.parse(text);
  } catch {
    // A real one says nothing either.
    return socket.terminate();
  }
  const reply = answer(socket, request);
  say('socket', socket.number, request.method, JSON.stringify(request.params ?? {}), reply.error ? 'refused' : 'answered');
  return socket.send(JSON.stringify(reply));
}

const websockets = new WebSocketServer({
  noServer: true,
  maxPayload: 32_000_000,
  perMessageDeflate: false,
  handleProtocols: () => false,
});

const server = createServer((request, response) => {
  response.useChunkedEncodingByDefault = false;
  response.writeHead(426, { Connection: 'close' }).end();
});
server.on('upgrade', (request, connection, head) => websockets.handleUpgrade(request, connection, head, (socket) => {
  // The path is only looked at now.
  if (request.url.split('?')[0] !== '/kurento') return socket.close(1002, 'Invalid path');
  socket.number = ++sockets;
  say('socket', socket.number, 'open, origin', request.headers.origin ?? 'none');
  socket.on('message', (data) => receive(socket, data.toString()));
  socket.on('error', (error) => say('socket', socket.number, String(error)));
  return socket.on('close', (code) => say('socket', socket.number, 'closed', code));
}));
server.listen(Number(process.argv[2]), '127.0.0.1');

const dropAll = () => websockets.clients.forEach((socket) => socket.terminate());
process.on('SIGUSR2', dropAll);
process.on('SIGHUP', () => {
  sessions.clear();
  dropAll();
});
