// node kurento-stand-in.js PORT [CONTROL_PORT [PERIOD_MILLIS]]
//
// Stands in for a Kurento 7.3, which nobody packages: kurento/kms.js and kurento/websocket.js say
// and refuse what a real one was seen to. It opens nothing, but keeps a list of what it would have
// opened. Sessions without a connection are collected after one to two periods (240 s).
//
// The control port is for tests. GET says in JSON which sessions and objects there are, each
// operation that was executed, and each URI that would have been opened. POST /drop drops all
// connections, /restart forgets all sessions before that, /collect ends a period, and /reset
// empties the lists.
import { createServer } from 'node:http';
import { Kms } from './kurento/kms.js';
import { serve } from './kurento/websocket.js';

const [port, controlPort, period = 240_000] = process.argv.slice(2).map(Number);
const kms = new Kms();
const say = (...words) => console.log(words.join(' '));

serve(port, {
  open(socket, headers) {
    say('socket', kms.open(socket), 'open, origin', headers.get('origin') ?? 'none');
  },
  message(socket, text) {
    say('socket', kms.sockets.get(socket).number, text.slice(0, 500));
    kms.receive(socket, text);
  },
  closed(socket) {
    if (kms.sockets.has(socket)) say('socket', kms.sockets.get(socket).number, 'closed');
    kms.closed(socket);
  },
});
setInterval(() => kms.collect(), period);

const COMMANDS = {
  '/drop': () => kms.dropAll(),
  '/restart': () => {
    kms.forget();
    kms.dropAll();
  },
  '/collect': () => kms.collect(),
  '/reset': () => {
    kms.executed = [];
    kms.opened = [];
  },
};

if (controlPort) {
  createServer((request, response) => {
    const command = COMMANDS[request.url];
    if (request.method === 'POST' && !command) return response.writeHead(404).end();
    if (request.method === 'POST') command();
    return response.setHeader('Connection', 'close').end(JSON.stringify(kms.state()));
  }).listen(controlPort, '127.0.0.1');
}
