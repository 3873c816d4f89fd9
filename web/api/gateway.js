/**
 * The WebSocket: HELLO, IDENTIFY or RESUME, heartbeats, and back again when it is lost.
 *
 * https://docs.discord.com/developers/events/gateway. A session that resumes gets exactly what it missed; one that
 * cannot gets a new READY, and the state begins anew from it.
 */

const OP = { DISPATCH: 0, HEARTBEAT: 1, IDENTIFY: 2, PRESENCE: 3, RESUME: 6, RECONNECT: 7, MEMBERS: 8, INVALID: 9,
  HELLO: 10, ACK: 11 };
const AUTHENTICATION_FAILED = 4004;
const NOT_RESUMABLE = new Set([4003, 4007, 4009]);
const FATAL = new Set([4010, 4011, 4012, 4013, 4014]);
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** How long a connection may say nothing at all before HELLO. */
const HELLO_MS = 15_000;

/** @typedef {'connecting'|'online'|'waiting'|'ended'} Connection */

export class Gateway {
  /**
   * @param {object} given
   * @param {() => Promise<string>} given.url where the gateway is (ws:// or wss://)
   * @param {() => Promise<string|null>} given.token
   * @param {() => Promise<boolean>} given.renew trades the token for a new one; false: signed out
   * @param {(name: string, data: any) => void} given.onEvent
   * @param {(state: Connection, retryAt: number) => void} given.onState
   */
  constructor(given) {
    this.given = given;
    this.socket = null;
    this.session = null;
    this.sequence = null;
    this.failures = 0;
    this.running = false;
    this.timers = { beat: 0, retry: 0, hello: 0 };
    this.resumable = true;
    addEventListener('online', () => this.running && !this.socket && this.connect());
    addEventListener('offline', () => this.socket?.close(4999));
  }

  start() {
    this.running = true;
    this.connect();
  }

  stop() {
    this.running = false;
    this.clear();
    this.session = null;
    this.socket?.close(1000);
    this.socket = null;
    this.given.onState('ended', 0);
  }

  /** At once, instead of when the wait is over. */
  retryNow() {
    if (this.running && !this.socket) this.connect();
  }

  /** @param {number} op @param {any} d */
  send(op, d) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ op, d }));
  }

  setPresence(status) {
    this.send(OP.PRESENCE, { since: null, activities: [], status, afk: status === 'idle' });
  }

  requestMembers(server, query = '', limit = 0) {
    this.send(OP.MEMBERS, { guild_id: server, query, limit, presences: true });
  }

  async connect() {
    clearTimeout(this.timers.retry);
    if (this.socket) return;
    this.given.onState('connecting', 0);
    let url;
    let token;
    try {
      [url, token] = await Promise.all([this.given.url(), this.given.token()]);
    } catch {
      this.wait();
      return;
    }
    if (!this.running || this.socket) return;
    if (!token) {
      // Signed out, or the provider cannot be reached: the former has been told already.
      this.wait();
      return;
    }
    const socket = new WebSocket(`${url}/?v=10&encoding=json`);
    this.socket = socket;
    this.timers.hello = setTimeout(() => socket.close(4999), HELLO_MS);
    socket.onmessage = (event) => socket === this.socket && this.receive(JSON.parse(event.data), token);
    socket.onclose = (event) => socket === this.socket && this.lost(event.code);
  }

  receive({ op, d, s, t }, token) {
    if (s !== null && s !== undefined) this.sequence = s;
    if (op === OP.DISPATCH) this.dispatch(t, d);
    else if (op === OP.HELLO) this.begin(d.heartbeat_interval, token);
    else if (op === OP.ACK) this.acknowledged = true;
    else if (op === OP.HEARTBEAT) this.send(OP.HEARTBEAT, this.sequence);
    else if (op === OP.RECONNECT) this.socket.close(4999);
    else if (op === OP.INVALID) {
      if (!d) this.session = null;
      this.socket.close(4999);
    }
  }

  begin(interval, token) {
    clearTimeout(this.timers.hello);
    this.acknowledged = true;
    const beat = () => {
      // The last one was not answered: the connection is dead, whatever the socket says.
      if (!this.acknowledged) {
        this.socket?.close(4999);
        return;
      }
      this.acknowledged = false;
      this.send(OP.HEARTBEAT, this.sequence);
      this.timers.beat = setTimeout(beat, interval);
    };
    this.timers.beat = setTimeout(beat, interval * Math.random());
    if (this.session) this.send(OP.RESUME, { token, session_id: this.session, seq: this.sequence });
    else this.send(OP.IDENTIFY, { token, properties: { os: 'web', browser: 'Beep', device: 'Beep' } });
  }

  dispatch(name, data) {
    if (name === 'READY') this.session = data.session_id;
    if (name === 'READY' || name === 'RESUMED') {
      this.failures = 0;
      this.given.onState('online', 0);
    }
    this.given.onEvent(name, data);
  }

  async lost(code) {
    this.clear();
    this.socket = null;
    if (!this.running) return;
    if (NOT_RESUMABLE.has(code)) this.session = null;
    if (FATAL.has(code)) {
      this.running = false;
      this.given.onState('ended', 0);
      return;
    }
    if (code === AUTHENTICATION_FAILED) {
      this.session = null;
      this.given.onState('connecting', 0);
      if (!(await this.given.renew()) || !this.running) {
        if (this.running) this.wait();
        return;
      }
    }
    this.wait();
  }

  /** Longer each time, and never everybody at once. */
  wait() {
    const longest = Math.min(FIRST_WAIT_MS * 2 ** this.failures, LONGEST_WAIT_MS);
    const delay = longest * (0.5 + Math.random() / 2);
    this.failures += 1;
    this.given.onState('waiting', Date.now() + delay);
    this.timers.retry = setTimeout(() => this.connect(), delay);
  }

  clear() {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
  }
}
