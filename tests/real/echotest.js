// node echotest.js https://localhost:8443/janus certs/ca.pem
//
// janus.js, unchanged, in a headless Chromium with a fake camera: an echo test over
// REST, until media has come back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { launch } from './chromium.js';

const [server, ca] = process.argv.slice(2);

const PAGES = {
  '/': ['text/html', './echotest.html'],
  '/adapter.js': ['text/javascript', './node_modules/webrtc-adapter/out/adapter.js'],
  '/janus.js': ['text/javascript', './node_modules/janus-gateway/npm/dist/janus.es.js'],
};

// A page must come from localhost to be given a camera.
async function servePages() {
  const pages = createServer(async (request, response) => {
    const [type, path] = PAGES[request.url] ?? [];
    if (!path) return response.writeHead(404).end();
    const body = await readFile(fileURLToPath(new URL(path, import.meta.url)));
    return response.writeHead(200, { 'Content-Type': type }).end(body);
  });
  await once(pages.listen(0, '127.0.0.1'), 'listening');
  return pages;
}

const pages = await servePages();
const browser = await launch(server, ca, [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  // Janus offers 127.0.0.1 alone.
  '--allow-loopback-in-peer-connection',
]);
try {
  const page = await browser.newPage();
  page.on('console', (message) => console.error(`page: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`page: ${error}`));
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  await page.waitForFunction(() => window.run);
  const seen = await Promise.race([
    page.evaluate((url) => window.run(url), server),
    new Promise((_, reject) => setTimeout(reject, 60_000, new Error('no echo within 60 s')).unref()),
  ]);
  assert.equal(seen.result, 'ok');
  assert.equal(seen.webrtc, true);
  console.log(`result ${seen.result}, webrtc up, ${seen.bytes} bytes of media came back`);
} finally {
  await browser.close();
  pages.close();
}
