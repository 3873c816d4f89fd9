/**
 * Signing in at the identity provider: authorization code with PKCE (RFC 7636), refresh tokens that are used once.
 *
 * Tokens live in sessionStorage, so each tab is a session of its own and closing it forgets them; whoever asks to
 * stay signed in gets them in localStorage, which all tabs share. A refresh token works once, so tabs take turns.
 */

const IDENTITY = '/identity';
const CLIENT_ID = 'beep-web';
const SCOPE = 'openid profile email';
const TOKENS = 'beep.tokens';
const ATTEMPT = 'beep.sign-in';
const RENEW_BEFORE_MS = 60_000;

/** @typedef {{access: string, refresh: string, expires: number}} Tokens */

export class SignInError extends Error {}

export class Auth {
  /** @param {() => void} onEnded called when nobody is signed in any more and nobody asked for it */
  constructor(onEnded) {
    this.onEnded = onEnded;
  }

  get signedIn() { return read() !== null; }

  /** An access token that holds for a while yet; null when signed out. */
  async token() {
    const tokens = read();
    if (!tokens) return null;
    if (tokens.expires - Date.now() > RENEW_BEFORE_MS) return tokens.access;
    return (await this.renew()) ? read()?.access ?? null : null;
  }

  /** Trades the refresh token for new ones. False: signed out. */
  async renew() {
    const before = read();
    if (!before) return false;
    return navigator.locks.request('beep.renew', async () => {
      const current = read();
      if (!current) return false;
      if (current.access !== before.access) return true;
      const answer = await exchange({ grant_type: 'refresh_token', refresh_token: current.refresh });
      if (answer.ok) {
        write(await tokensOf(answer), isKept());
        return true;
      }
      if (answer.status === 400 || answer.status === 401) {
        this.forget();
        this.onEnded();
      }
      return false;
    });
  }

  /** Leaves for the provider's page. @param {{returnTo: string, keep: boolean}} wish */
  async begin({ returnTo, keep }) {
    if (!crypto.subtle) {
      throw new SignInError('Browsers sign in over HTTPS or on this machine only. Open Beep by such an address.');
    }
    const verifier = random(48);
    const state = random(16);
    sessionStorage.setItem(ATTEMPT, JSON.stringify({ verifier, state, returnTo, keep }));
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
    const asked = new URLSearchParams({
      response_type: 'code',
      client_id: CLIENT_ID,
      redirect_uri: redirectUri(),
      scope: SCOPE,
      state,
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: 'S256',
    });
    location.assign(`${IDENTITY}/authorize?${asked}`);
  }

  /** Back from the provider. Returns where to go on. @param {URLSearchParams} answer */
  async finish(answer) {
    const attempt = JSON.parse(sessionStorage.getItem(ATTEMPT) || 'null');
    sessionStorage.removeItem(ATTEMPT);
    if (answer.get('error')) throw new SignInError(answer.get('error_description') || 'Signing in was refused.');
    if (!attempt || answer.get('state') !== attempt.state) {
      throw new SignInError('This sign-in was begun in another tab, or is finished already. Please sign in again.');
    }
    const traded = await exchange({
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      redirect_uri: redirectUri(),
      code_verifier: attempt.verifier,
    });
    if (!traded.ok) throw new SignInError('Signing in took too long. Please try again.');
    write(await tokensOf(traded), attempt.keep);
    return attempt.returnTo;
  }

  forget() {
    sessionStorage.removeItem(TOKENS);
    localStorage.removeItem(TOKENS);
  }
}

const redirectUri = () => `${location.origin}/callback`;
const isKept = () => localStorage.getItem(TOKENS) !== null && sessionStorage.getItem(TOKENS) === null;

/** @returns {Tokens|null} */
function read() {
  try {
    return JSON.parse(sessionStorage.getItem(TOKENS) ?? localStorage.getItem(TOKENS) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {Tokens} tokens @param {boolean} keep */
function write(tokens, keep) {
  (keep ? localStorage : sessionStorage).setItem(TOKENS, JSON.stringify(tokens));
}

/** @returns {Promise<Tokens>} */
async function tokensOf(answer) {
  const body = await answer.json();
  return { access: body.access_token, refresh: body.refresh_token, expires: Date.now() + body.expires_in * 1000 };
}

async function exchange(form) {
  try {
    return await fetch(`${IDENTITY}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...form, client_id: CLIENT_ID }),
      credentials: 'omit',
    });
  } catch {
    return new Response(null, { status: 503 });
  }
}

function random(bytes) {
  return base64url(crypto.getRandomValues(new Uint8Array(bytes)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
