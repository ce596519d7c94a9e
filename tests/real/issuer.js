// node issuer.js PORT
//
// An OpenID provider on loopback. It gives access tokens for the resource `urn:media` to two clients, `ops` and `guest`,
// whose role is their name. `POST /rotate` makes it sign with a new key; the one before is still published.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const newKey = (kid) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' };
};

const client = (name) => ({
  client_id: name,
  client_secret: `secret of ${name}`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
});

const provider = (keys) => new Provider(issuer, {
  jwks: { keys },
  clients: [client('ops'), client('guest')],
  clientAuthMethods: ['client_secret_post'],
  clientDefaults: {
    token_endpoint_auth_method: 'client_secret_post',
    id_token_signed_response_alg: 'ES256',
  },
  extraTokenClaims: (_, token) => ({ role: token.clientId }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: '',
        audience: 'ianitor',
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

// The first key signs.
let keys = [newKey('key-1')];
let answer = provider(keys).callback();

createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/rotate') {
    keys = [newKey(`key-${keys.length + 1}`), ...keys];
    answer = provider(keys).callback();
    response.end();
    return;
  }
  if (request.url === '/jwks') console.log('keys asked for');
  answer(request, response);
}).listen(port, '127.0.0.1');
