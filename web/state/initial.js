/** What the client knows, and what it knows of it at first: nothing. */

/**
 * @typedef {object} State
 * @property {any} me the account, null until READY
 * @property {'connecting'|'online'|'waiting'|'ended'} connection
 * @property {number} retryAt when the next attempt to connect is due, in ms
 * @property {boolean} ready whether READY has come at least once
 * @property {Record<string, Server>} servers
 * @property {Record<string, any>} privates direct messages and groups, by channel
 * @property {Record<string, any>} relationships by user
 * @property {Record<string, string>} presences online, idle or dnd by user; whoever is missing is offline
 * @property {Record<string, {last_message_id: string, mention_count: number}>} reads by channel
 * @property {Record<string, string>} latest the newest message of each channel
 * @property {Record<string, History>} histories by channel
 * @property {Record<string, Pending[]>} pending what was sent and is not acknowledged, by channel
 * @property {Record<string, Record<string, number>>} typing until when, by channel and user
 * @property {Record<string, any>} invitations to servers, by id
 * @property {string} viewing the channel in sight; what arrives there is read
 *
 * @typedef {object} Server a guild of the wire, with its lists by id
 * @typedef {object} Pending
 * @property {string} nonce
 * @property {'sending'|'failed'} state
 * @typedef {object} History
 * @property {any[]} items oldest first, without a gap
 * @property {boolean} hasOlder
 * @property {boolean} hasNewer whether `items` ends before the newest message
 */

/** @type {State} */
export const initial = {
  me: null,
  connection: 'connecting',
  retryAt: 0,
  ready: false,
  servers: {},
  privates: {},
  relationships: {},
  presences: {},
  reads: {},
  latest: {},
  histories: {},
  pending: {},
  typing: {},
  invitations: {},
  viewing: '',
};
