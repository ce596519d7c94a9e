// A headless Chromium that trusts a gateway's CA.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { chromium } from 'playwright-core';

// Chromium has no switch for a CA file. So the chain is verified here, and Chromium
// is told to accept this one key and no other.
async function verifiedKey({ hostname, port }, ca) {
  const socket = connect({ host: hostname, port, servername: hostname, ca: await readFile(ca) });
  await once(socket, 'secureConnect');
  const { publicKey } = socket.getPeerX509Certificate();
  socket.destroy();
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}

export async function launch(server, ca, args = []) {
  const key = await verifiedKey(new URL(server), ca);
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
      ...args,
      `--ignore-certificate-errors-spki-list=${key}`,
    ],
  });
}
