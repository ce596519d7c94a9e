// The sessions and objects of a Kurento 7.3, and its JSON-RPC with all its quirks.
import { randomUUID } from 'node:crypto';
import { parse } from './json.js';
import { MANAGER, NEED_URI, PARENTS, operationOf } from './modules.js';

const CACHE_MILLIS = 20_000;

class Refusal extends Error {
  constructor(code, type, message) {
    super(message);
    Object.assign(this, { code, type });
  }
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function need(params, name) {
  if (params[name] === undefined) throw new Refusal(-32000, 'SERVER_ERROR', `'${name}' parameter is required`);
  return params[name];
}

// Every text in a value, with the name that it has.
function* texts(value, name = '') {
  if (typeof value === 'string') yield [name, value];
  if (Array.isArray(value)) for (const item of value) yield* texts(item, name);
  if (isObject(value)) for (const [key, inner] of Object.entries(value)) yield* texts(inner, key);
}

// The values with those of earlier operations, at any depth: also inside inner transactions.
function withReferences(value, results) {
  if (Array.isArray(value)) return value.map((item) => withReferences(item, results));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withReferences(inner, results)]));
  const number = /^newref:(\d+)$/.exec(value)?.[1];
  if (number === undefined) return value;
  const result = results[Number(number)]?.result;
  if (result === undefined) throw new Refusal(40008, 'MALFORMED_TRANSACTION', `Result not found on request ${number}`);
  return result.value;
}

export class Kms {
  serverId = randomUUID();
  sessions = new Map(); // id -> { id, socket, objects, isLeaked, isUsed }
  objects = new Map(); // id -> { id, type, parent, sessions, subscriptions, .. }
  sockets = new Map(); // socket -> { number, session }
  // For the tests: each operation that was executed, and each URI that one would have opened.
  executed = [];
  opened = [];
  #cache = new Map();
  #count = 0;

  constructor() {
    this.#add(MANAGER, 'ServerManager', null);
  }

  open(socket) {
    this.#count += 1;
    this.sockets.set(socket, { number: this.#count, session: undefined });
    return this.#count;
  }

  closed(socket) {
    for (const session of this.sessions.values()) if (session.socket === socket) session.socket = null;
    this.sockets.delete(socket);
  }

  // Answers a message, or drops the connection without one.
  receive(socket, text) {
    const connection = this.sockets.get(socket);
    let request;
    try {
      request = parse(text);
    } catch {
      return this.#leak(socket);
    }
    const isRequest = isObject(request) && (request.params === undefined || isObject(request.params));
    if (!isRequest && connection.session !== undefined) return this.#leak(socket);
    if (!isRequest) {
      const [code, message] = isObject(request) ? [-32603, 'Internal error'] : [-32600, 'Invalid JSON-RPC request.'];
      return socket.send(JSON.stringify({ error: { code, message }, id: null, jsonrpc: '2.0' }));
    }
    return socket.send(JSON.stringify(this.#reply(socket, connection, request)));
  }

  // Nothing tells that the connection has gone, so that the session is never collected.
  #leak(socket) {
    for (const session of this.sessions.values()) if (session.socket === socket) session.isLeaked = true;
    socket.drop();
  }

  #reply(socket, connection, request) {
    const params = { ...request.params };
    params.sessionId ??= connection.session;
    const key = JSON.stringify([params.sessionId, request.id]);
    const cached = params.sessionId !== undefined && request.id !== undefined && this.#cache.get(key);
    if (cached && cached.until > Date.now()) return cached.reply;
    const reply = this.#execute({ ...request, params }, { socket: connection.number, depth: 0 });
    const session = this.sessions.get(reply.result?.sessionId ?? String(params.sessionId));
    if (session) {
      // It is this connection's from now on. The one before stays open, and is not told.
      session.socket = socket;
      session.isUsed = true;
      connection.session = session.id;
    }
    if (request.id === undefined) {
      const { result, error } = reply;
      return { error: error ?? { code: -32000, data: result, message: 'Notification' }, id: null, jsonrpc: '2.0' };
    }
    if (session) this.#cache.set(JSON.stringify([session.id, request.id]), { reply, until: Date.now() + CACHE_MILLIS });
    return reply;
  }

  #execute({ id, jsonrpc, method, params = {} }, from) {
    try {
      if (jsonrpc !== '2.0' || typeof method !== 'string') throw new Refusal(-32600, 'INVALID_REQUEST', 'Invalid JSON-RPC request.');
      if (!Object.hasOwn(this.#methods, method)) throw new Refusal(-32601, 'METHOD_NOT_FOUND', `Method '${method}' not found`);
      return { id, jsonrpc: '2.0', result: this.#methods[method](params, from) };
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      const { code, type, message } = refusal;
      return { error: { code, data: { type }, message }, id, jsonrpc: '2.0' };
    }
  }

  // An id that the client chooses is as good as another; everything becomes a text.
  #sessionOf(params) {
    const id = params.sessionId === undefined ? randomUUID() : String(params.sessionId);
    if (!this.sessions.has(id)) this.sessions.set(id, { id, socket: null, objects: new Set(), isLeaked: false, isUsed: true });
    return this.sessions.get(id);
  }

  object(id) {
    const object = this.objects.get(id);
    if (!object) throw new Refusal(40101, 'MEDIA_OBJECT_NOT_FOUND', `Object '${id}' not found`);
    return object;
  }

  #add(id, type, parent) {
    const object = { id, type, parent, name: id, created: Math.floor(Date.now() / 1000), sessions: new Set(),
      subscriptions: new Map(), sinks: new Set(), tags: new Map() };
    this.objects.set(id, object);
    return object;
  }

  childrenOf(id) {
    return [...this.objects.values()].filter(({ parent }) => parent === id).map((child) => child.id);
  }

  // Who lists pipelines keeps their sessions.
  pipelines() {
    const pipelines = [...this.objects.values()].filter(({ type }) => type === 'MediaPipeline');
    for (const { sessions } of pipelines) for (const id of sessions) this.sessions.get(id).isUsed = true;
    return pipelines.map(({ id }) => id);
  }

  emit(id, type, more = {}) {
    setImmediate(() => {
      for (const subscription of this.objects.get(id)?.subscriptions.values() ?? []) {
        if (subscription.type !== type) continue;
        const data = { source: id, tags: [], timestampMillis: String(Date.now()), ...more, type };
        const event = { jsonrpc: '2.0', method: 'onEvent', params: { value: { data, object: id, type } } };
        this.sessions.get(subscription.session)?.socket?.send(JSON.stringify(event));
      }
    });
  }

  #ref(session, object) {
    object.sessions.add(session.id);
    session.objects.add(object.id);
  }

  #unref(session, object) {
    object.sessions.delete(session.id);
    session.objects.delete(object.id);
    // The server itself stays.
    if (object.sessions.size === 0 && object.id !== MANAGER) this.#release(object);
  }

  #release({ id, sessions }) {
    for (const child of this.childrenOf(id)) this.#release(this.objects.get(child));
    for (const session of sessions) this.sessions.get(session)?.objects.delete(id);
    this.objects.delete(id);
  }

  #close(session) {
    for (const id of session.objects) if (this.objects.has(id)) this.#unref(session, this.objects.get(id));
    this.sessions.delete(session.id);
  }

  // What the tests want to know: that it was executed, and what it would open.
  #note(from, method, session, params, object) {
    const { type, operation } = params;
    this.executed.push({ ...from, session: session?.id, method, type: object?.type ?? type, object: object?.id, operation });
    for (const [name, uri] of texts({ ...params, sessionId: undefined, operations: undefined })) {
      if (/ur[il]|command/i.test(name)) this.opened.push({ uri, session: session?.id });
    }
  }

  #methods = {
    ping: () => ({ value: 'pong' }),

    connect: (params) => {
      if (params.sessionId === undefined) return { serverId: this.serverId, sessionId: randomUUID() };
      // One that was only issued is not valid until it has an object.
      const session = this.sessions.get(String(params.sessionId));
      if (!session?.objects.size) throw new Refusal(40007, 'INVALID_SESSION', 'Invalid session');
      return { serverId: this.serverId, sessionId: session.id };
    },

    create: (params, from) => {
      const type = String(need(params, 'type')).replace(/^kurento\./, '');
      if (!PARENTS.has(type)) throw new Refusal(40108, 'MEDIA_OBJECT_TYPE_NOT_FOUND', `Class '${type}' not found`);
      const made = params.constructorParams ?? {};
      const parent = PARENTS.get(type) && this.object(need(made, PARENTS.get(type))).id;
      if (NEED_URI.includes(type)) need(made, 'uri');
      const session = this.#sessionOf(params);
      const own = `${randomUUID()}_kurento.${type}`;
      const object = this.#add(parent ? `${parent}/${own}` : own, type, parent);
      object.uri = made.uri;
      this.#ref(session, object);
      if (parent) this.#ref(session, this.objects.get(object.id.split('/')[0]));
      this.#note(from, 'create', session, params, object);
      return { sessionId: session.id, value: object.id };
    },

    invoke: (params, from) => {
      const object = this.object(need(params, 'object'));
      const operation = operationOf(object.type, need(params, 'operation'));
      if (!operation) throw new Refusal(40008, 'UNEXPECTED_ERROR', `Method '${params.operation}' not found`);
      const session = this.#sessionOf(params);
      this.#note(from, 'invoke', session, params, object);
      const value = operation({ object, params: params.operationParams ?? {}, kms: this });
      return { sessionId: session.id, value };
    },

    subscribe: (params, from) => {
      const object = this.object(need(params, 'object'));
      const type = need(params, 'type');
      const session = this.#sessionOf(params);
      const id = randomUUID();
      object.subscriptions.set(id, { type, session: session.id });
      this.#note(from, 'subscribe', session, params, object);
      return { sessionId: session.id, value: id };
    },

    unsubscribe: (params, from) => {
      const object = this.object(need(params, 'object'));
      object.subscriptions.delete(need(params, 'subscription'));
      const session = this.#sessionOf(params);
      this.#note(from, 'unsubscribe', session, params, object);
      return { sessionId: session.id };
    },

    // Of any object, from any session.
    release: (params, from) => {
      const object = this.object(need(params, 'object'));
      const session = this.#sessionOf(params);
      this.#note(from, 'release', session, params, object);
      this.#release(object);
      return { sessionId: session.id };
    },

    describe: (params, from) => {
      const object = this.object(need(params, 'object'));
      const session = this.#sessionOf(params);
      this.#note(from, 'describe', session, params, object);
      const qualifiedType = `kurento.${object.type}`;
      return { hierarchy: ['kurento.MediaObject'], qualifiedType, sessionId: session.id, type: object.type };
    },

    ref: (params, from) => {
      const object = this.object(need(params, 'object'));
      const session = this.#sessionOf(params);
      this.#ref(session, object);
      this.#note(from, 'ref', session, params, object);
      return { sessionId: session.id };
    },

    unref: (params, from) => {
      const object = this.object(need(params, 'object'));
      const session = this.#sessionOf(params);
      this.#note(from, 'unref', session, params, object);
      this.#unref(session, object);
      return { sessionId: session.id };
    },

    keepAlive: (params, from) => {
      const session = this.sessions.get(String(need(params, 'sessionId')));
      if (!session) throw new Refusal(40007, 'INVALID_SESSION', 'Invalid session');
      session.isUsed = true;
      this.#note(from, 'keepAlive', session, params);
      return { sessionId: session.id };
    },

    // Its own session or any other.
    closeSession: (params, from) => {
      const session = this.sessions.get(String(need(params, 'sessionId')));
      if (!session) throw new Refusal(40007, 'INVALID_SESSION', 'Invalid session');
      this.#note(from, 'closeSession', session, params);
      this.#close(session);
      return { sessionId: session.id };
    },

    transaction: (params, from) => {
      const { operations } = params;
      if (!Array.isArray(operations)) throw new Refusal(40008, 'MALFORMED_TRANSACTION', "'operations' is not an array");
      const session = this.#sessionOf(params);
      const results = [];
      for (const operation of operations) {
        if (!isObject(operation)) throw new Refusal(40008, 'MALFORMED_TRANSACTION', 'An operation is not an object');
        // The operations before it have been executed and stay so.
        if (operation.id !== results.length) throw new Refusal(40008, 'MALFORMED_TRANSACTION', 'An id is not the number of its operation');
        const params = { ...withReferences(operation.params ?? {}, results), sessionId: session.id };
        const request = { ...operation, params };
        results.push(this.#execute(request, { ...from, depth: from.depth + 1 }));
        if (results.at(-1).error) break;
      }
      return { sessionId: session.id, value: results };
    },
  };

  // Ends a period: sessions that have had no connection and no message in it are collected.
  collect() {
    for (const session of this.sessions.values()) {
      const isUsed = session.isUsed || session.socket || session.isLeaked;
      session.isUsed = false;
      if (!isUsed) this.#close(session);
    }
  }

  // What a new process would know.
  forget() {
    this.sessions.clear();
    this.objects.clear();
    this.#cache.clear();
    this.#add(MANAGER, 'ServerManager', null);
  }

  dropAll() {
    for (const socket of this.sockets.keys()) socket.drop();
  }

  state() {
    const sessions = [...this.sessions.values()].map(({ id, socket, objects, isLeaked }) => (
      { id, socket: this.sockets.get(socket)?.number ?? null, objects: [...objects], isLeaked }));
    const objects = [...this.objects.keys()].filter((id) => id !== MANAGER);
    return { sessions, objects, sockets: this.sockets.size, executed: this.executed, opened: this.opened };
  }
}
