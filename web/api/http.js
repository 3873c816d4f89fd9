/** REST: one request and its answer, retried where a retry can do no harm. */

const API = '/api/v10';
export const BEEP = '/api/beep/v1';
const TRIES = 3;
const LONGEST_WAIT_S = 10;

/** What Beep refused, in its own words. `fields` has what is wrong with each field of a form. */
export class ApiError extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.message || `The server answered ${status}.`);
    this.name = 'ApiError';
    this.status = status;
    this.code = body?.code ?? 0;
    this.missing = body?.missing_permissions ?? null;
    /** @type {Record<string, string>} */
    this.fields = flatten(body?.errors ?? {});
  }
}

/** Nothing came back: no network, or nobody there. */
export class NetworkError extends Error {
  constructor() {
    super('Beep cannot be reached. Check your connection.');
    this.name = 'NetworkError';
    this.fields = {};
  }
}

/** {content: {_errors: [{message}]}} becomes {content: message}; deeper fields get dotted names. */
function flatten(errors, path = '', found = {}) {
  for (const [key, value] of Object.entries(errors)) {
    if (key === '_errors') found[path] = value.map((one) => one.message).join(' ');
    else flatten(value, path ? `${path}.${key}` : key, found);
  }
  return found;
}

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });

/**
 * @typedef {object} Options
 * @property {any} [body] sent as JSON
 * @property {FormData} [form] sent as multipart/form-data, by a request that reports `onProgress` (0 to 1)
 * @property {Record<string, any>} [query] undefined values are left out; a list becomes a repeated name
 * @property {string} [reason] for the audit log
 * @property {(done: number) => void} [onProgress]
 * @property {AbortSignal} [signal]
 * @property {boolean} [open] without a token
 */

export class Http {
  /** @param {{token: () => Promise<string|null>, renew: () => Promise<boolean>}} auth */
  constructor(auth) {
    this.auth = auth;
  }

  get(path, options) { return this.request('GET', path, options); }
  post(path, body, options) { return this.request('POST', path, { body, ...options }); }
  put(path, body, options) { return this.request('PUT', path, { body, ...options }); }
  patch(path, body, options) { return this.request('PATCH', path, { body, ...options }); }
  delete(path, body, options) { return this.request('DELETE', path, { body, ...options }); }

  /**
   * @param {string} method @param {string} path below /api/v10, or a whole path that begins with /api/
   * @param {Options} [options]
   * @returns {Promise<any>} the JSON of the answer; null if it has none
   */
  async request(method, path, options = {}) {
    const url = (path.startsWith('/api/') ? path : API + path) + query(options.query);
    // A retry of a create is then the same create.
    const key = method === 'GET' ? null : crypto.randomUUID();
    let renewed = false;
    for (let tried = 1; ; tried += 1) {
      let answer;
      try {
        answer = await this.once(method, url, key, options);
      } catch (error) {
        if (!(error instanceof NetworkError) || tried >= TRIES || options.form) throw error;
        await pause(tried);
        continue;
      }
      if (answer.status === 401 && !options.open && !renewed) {
        renewed = true;
        if (await this.auth.renew()) continue;
      }
      const wait = answer.body?.retry_after ?? tried;
      if ((answer.status === 429 || answer.status === 503) && tried < TRIES && wait <= LONGEST_WAIT_S) {
        await pause(wait);
        continue;
      }
      if (answer.status >= 400) throw new ApiError(answer.status, answer.body);
      return answer.body;
    }
  }

  async once(method, url, key, options) {
    /** @type {Record<string, string>} */
    const headers = {};
    const token = options.open ? null : await this.auth.token();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (key) headers['Idempotency-Key'] = key;
    if (options.reason) headers['X-Audit-Log-Reason'] = encodeURIComponent(options.reason);
    if (options.form) return upload(method, url, headers, options);
    if (options.body !== undefined) headers['Content-Type'] = 'application/json';
    try {
      const answer = await fetch(url, {
        method,
        headers,
        body: options.body === undefined ? undefined : JSON.stringify(options.body),
        signal: options.signal,
        credentials: 'omit',
      });
      return { status: answer.status, body: parse(await answer.text()) };
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new NetworkError();
    }
  }
}

/** fetch cannot tell how much of a body has left; XMLHttpRequest can. */
function upload(method, url, headers, { form, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => resolve({ status: request.status, body: parse(request.responseText) });
    request.onerror = () => reject(new NetworkError());
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'));
    signal?.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function query(values = {}) {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined && one !== '').map((one) => [name,
      one]));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}
