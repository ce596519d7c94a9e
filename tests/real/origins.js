// node origins.js https://localhost:8443 certs/ca.pem SECRET
//
// A page of another origin, in a browser on a machine that may control the media servers,
// reaches neither of them. A page of the gateway's own host does.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { launch } from './chromium.js';
import { within } from './within.js';

const [server, ca, secret] = process.argv.slice(2);
const sockets = server.replace('https:', 'wss:');

const elsewhere = createServer((_, response) => response
  .writeHead(200, { 'Content-Type': 'text/html' })
  .end('<!doctype html><title>elsewhere</title><link rel="icon" href="data:,">'));
elsewhere.listen(0, '127.0.0.1');
await once(elsewhere, 'listening');

// What a page can do to the control ports, and what it learns.
async function attack(page) {
  return within(60, 'an attack', page.evaluate(async ({ server, sockets, secret }) => {
    const open = (url, ...protocols) => new Promise((resolve) => {
      const socket = new WebSocket(url, protocols);
      socket.onerror = () => resolve('refused');
      socket.onopen = () => {
        socket.onmessage = ({ data }) => resolve(JSON.parse(data).result?.value ?? data);
        socket.send(JSON.stringify({ id: 1, jsonrpc: '2.0', method: 'ping', params: { interval: 5000 } }));
      };
    });
    const read = (url, options) => fetch(url, options).then((answer) => answer.json()).then(({ janus }) => janus, () => 'unread');
    const body = JSON.stringify({ janus: 'list_sessions', transaction: 't', admin_secret: secret });
    // Text, so that no preflight is asked.
    return {
      kurento: await open(`${sockets}/kurento`),
      posted: await read(`${server}/admin`, { method: 'POST', body }),
      json: await read(`${server}/admin`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } }),
      info: await read(`${server}/admin/info`),
      // What is open stays so, and Janus lets every page read it.
      janus: await read(`${server}/janus/info`),
    };
  }, { server, sockets, secret }));
}

const browser = await launch(server, ca);
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
  assert.deepEqual(await attack(page), {
    kurento: 'refused', posted: 'unread', json: 'unread', info: 'unread', janus: 'server_info',
  });
  // What a page loads into itself has no Origin; a frame in a box has the origin null.
  await page.setContent(`<img src="${server}/admin/info"><script src="${server}/admin/info"></script>
    <iframe src="${server}/admin/info"></iframe>
    <iframe name="boxed" sandbox="allow-scripts" srcdoc="<!doctype html><title>boxed</title>"></iframe>`);
  await page.waitForLoadState('networkidle');
  const boxed = await (await page.waitForSelector('iframe[name=boxed]')).contentFrame();
  assert.equal(await boxed.evaluate(() => self.origin), 'null');
  assert.deepEqual(await attack(boxed), {
    kurento: 'refused', posted: 'unread', json: 'unread', info: 'unread', janus: 'server_info',
  });

  await page.goto(`${server}/nothing-here`);
  assert.deepEqual(await attack(page), {
    kurento: 'pong', posted: 'success', json: 'success', info: 'server_info', janus: 'server_info',
  });
  console.log('another page reached nothing');
} finally {
  await browser.close();
  elsewhere.close();
}
