// panva's oidc-provider on the loopback interface, with a person who signs in
// without a page, and faults on request.
//
// argv: JSON {clients: [client metadata]}; it prints {"issuer", "knobs"} when it
// listens. PUT to knobs replaces all knobs at once; see panva.go for what they mean.
import crypto from 'node:crypto';
import http from 'node:http';
import * as jose from 'jose';
import { Provider } from 'oidc-provider';

const { clients } = JSON.parse(process.argv[2]);
const acrValues = ['phr', 'phrh', 'urn:okta:loa:2fa:any', 'urn:okta:loa:1fa:any'];
let knobs = {};

const server = http.createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const signing = {};
for (const alg of ['ES256', 'RS256']) {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  signing[alg] = { ...(await jose.exportJWK(privateKey)), alg, use: 'sig', kid: `${alg}-${crypto.randomUUID()}` };
}

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: Object.values(signing) },
  cookies: { keys: [crypto.randomUUID()] },
  acrValues,
  claims: { openid: ['sub'], email: ['email', 'email_verified'], acr: null, amr: null, auth_time: null, sid: null },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true }) }),
  ttl: {
    AccessToken: () => knobs.lifetime || 600, IdToken: () => knobs.lifetime || 600, RefreshToken: 3600, AuthorizationCode: 60,
    DeviceCode: 300, Interaction: 600, Session: 3600, Grant: 3600,
  },
  rotateRefreshToken: true, // and one that comes back takes its whole family along
  // A client that asks for offline_access need not ask for consent, too.
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  features: {
    devInteractions: { enabled: false }, deviceFlow: { enabled: true }, clientCredentials: { enabled: true }, introspection: { enabled: true },
    revocation: { enabled: true }, claimsParameter: { enabled: true }, pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true, nonceSecret: crypto.randomBytes(32), requireNonce: () => !!knobs.dpopNonce },
    resourceIndicators: {
      enabled: true, defaultResource: () => undefined, useGrantedResource: () => true,
      getResourceServerInfo: (_, audience) => ({ scope: 'all-apis sql', audience, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } } }),
    },
  },
  interactions: { url: (_, interaction) => `/person/${interaction.uid}` },
});

// What leaves: ID tokens and answers at the redirect URI, changed as the knobs say.
provider.use(async (ctx, next) => {
  await next();
  if (knobs.idToken && ctx.body?.id_token) ctx.body.id_token = await altered(ctx.body.id_token, knobs.idToken);
  const to = ctx.response.get('Location');
  if (knobs.answer && /[?&](code|error)=/.test(to)) {
    const address = new URL(to);
    for (const [name, value] of Object.entries(knobs.answer)) {
      if (value === null) address.searchParams.delete(name);
      else address.searchParams.set(name, value);
    }
    ctx.set('Location', address.href);
  }
});

// altered is the token with other content, under the same good signature.
async function altered(token, { set, remove, text, header, stranger }) {
  const was = jose.decodeProtectedHeader(token);
  const claims = { ...jose.decodeJwt(token), ...set };
  for (const name of remove || []) delete claims[name];
  // text goes into the object as it is: JSON that no library would write.
  const payload = JSON.stringify(claims).replace(/}$/, text ? `,${text}}` : '}');
  const now = { ...was, ...header };
  if (now.alg === 'none') return `${jose.base64url.encode(JSON.stringify(now))}.${jose.base64url.encode(payload)}.`;
  let key = await jose.importJWK(signing[was.alg], was.alg);
  if (stranger) ({ privateKey: key } = await jose.generateKeyPair(was.alg));
  if (now.alg === 'HS256') { // keyed with what everybody can read
    const { d, ...publicKey } = signing[was.alg];
    key = new TextEncoder().encode(crypto.createPublicKey({ key: publicKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' }));
  }
  return new jose.CompactSign(new TextEncoder().encode(payload)).setProtectedHeader(now).sign(key);
}

// person does at the sign-in page what the knobs say.
async function person(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  const login = knobs.login || {};
  if (login.error) return provider.interactionFinished(req, res, { error: login.error, error_description: 'as told' }, { mergeWithLastSubmission: false });
  if (prompt.name === 'login') {
    const asked = (params.acr_values || '').split(' ').concat(essential(params) || []);
    const acr = login.acr ?? asked.find((value) => acrValues.includes(value));
    const needed = essential(params);
    if (needed && !needed.includes(acr)) {
      return provider.interactionFinished(req, res, { error: 'unmet_authentication_requirements', error_description: 'the essential acr is not met' }, { mergeWithLastSubmission: false });
    }
    const amr = login.amr || (/^phr/.test(acr) ? ['hwk', 'user', 'pin', 'mfa', 'pop'] : ['pwd']);
    const ts = Math.floor(Date.now() / 1000) - (login.age || 0);
    return provider.interactionFinished(req, res, { login: { accountId: login.account || 'alice@example.com', acr, amr, ts, remember: false } }, { mergeWithLastSubmission: true });
  }
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes || {})) grant.addResourceScope(resource, scopes.join(' '));
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

// essential are the acr values of which a request must have one.
function essential({ claims }) {
  const acr = JSON.parse(claims || '{}').id_token?.acr;
  return acr?.essential ? acr.values || [acr.value] : undefined;
}

// fault answers in the provider's place.
function fault({ redirect, status, retryAfter, bytes, hang }, req, res) {
  if (hang) return req.resume(); // and nothing, ever
  if (retryAfter !== undefined) res.setHeader('Retry-After', String(retryAfter));
  if (redirect) return res.writeHead(status || 307, { Location: redirect }).end();
  if (!bytes) return res.writeHead(status || 500).end();
  res.writeHead(status || 200, { 'Content-Type': 'application/json' });
  const chunk = ' '.repeat(1 << 16);
  let left = bytes;
  const more = () => {
    while (left > 0) {
      left -= chunk.length;
      if (!res.write(chunk)) return res.once('drain', more);
    }
    return res.end();
  };
  return more();
}

const path = `/knobs/${crypto.randomUUID()}`;
const answer = provider.callback();
const seen = {};
server.on('request', async (req, res) => {
  const at = req.url.split('?')[0];
  try {
    if (at === path && req.method === 'PUT') {
      let body = '';
      for await (const chunk of req) body += chunk;
      knobs = JSON.parse(body);
      return res.writeHead(204).end();
    }
    if (at === path) return res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(seen));
    const route = at.replace(/^(\/(?:auth|device|person))\/.*/, '$1');
    seen[route] = (seen[route] || 0) + 1;
    if (knobs.faults?.[at]) return fault(knobs.faults[at], req, res);
    if (at.startsWith('/person/')) return await person(req, res);
    return await answer(req, res);
  } catch (e) {
    console.error(e);
    return res.writeHead(500).end(String(e.stack));
  }
});
console.log(JSON.stringify({ issuer, knobs: issuer + path }));
