// A headless Chromium with a fake camera that trusts one gateway.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { chromium } from 'playwright-core';

// Chromium has no switch for a CA file. So the chain is verified here, and Chromium
// is told to accept this one key and no other.
async function verifiedKey({ hostname, port }, ca, address) {
  const socket = connect({ host: address ?? hostname, port, servername: hostname, ca: await readFile(ca) });
  await once(socket, 'secureConnect');
  const { publicKey } = socket.getPeerX509Certificate();
  socket.destroy();
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}

// With an address, every name that ends in .test leads there.
export async function launch(gateway, ca, address) {
  const key = ca && (await verifiedKey(new URL(gateway), ca, address));
  const trusted = key ? [`--ignore-certificate-errors-spki-list=${key}`] : [];
  const named = address ? [`--host-resolver-rules=MAP *.test ${address}`] : [];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--no-proxy-server',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      // Janus offers 127.0.0.1 alone.
      '--allow-loopback-in-peer-connection',
      ...trusted,
      ...named,
    ],
  });
}

// A page that says here what it says in its console. What went wrong there is gathered,
// and what was asked of other origins.
export async function openPage(browser, url, options) {
  const page = await browser.newPage(options);
  const errors = [];
  const outside = [];
  const { origin } = new URL(url);
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== 'data:' && asked.origin !== origin) outside.push(asked.href);
  });
  page.on('console', (message) => {
    if (message.type() !== 'debug') console.error(`page: ${message.text()}`);
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => {
    console.error(`page: ${error}`);
    errors.push(String(error));
  });
  await page.goto(url);
  return { page, errors, outside };
}
