// Plays events against the state, and tells what became of it.
async () => {
  const { applyEvent } = await import('/web/state/model.js');
  const { initial } = await import('/web/state/initial.js');
  const { addPage } = await import('/web/state/messages.js');
  const { isUnread, mentionsIn } = await import('/web/state/select.js');
  const user = (id) => ({ id, username: `user${id}` });
  const message = (id, mentions = []) => ({
    id, channel_id: '20', guild_id: '10', author: user('2'), content: id, mentions, mention_roles: [], mention_everyone: false,
  });
  const play = (state, ...events) => events.reduce((before, [name, data]) => {
    Object.freeze(before);
    return applyEvent(before, name, data, 1000);
  }, state);
  const channel = { id: '20', type: 0, guild_id: '10', name: 'general', last_message_id: null, permission_overwrites: [] };
  const guild = {
    id: '10', name: 'one', owner_id: '1', joined_at: '2015-01-01T00:00:00Z', member_count: 2, channels: [channel],
    roles: [{ id: '10', permissions: '0', position: 0 }, { id: '11', permissions: '0', position: 1 }],
    members: [{ user: user('1'), roles: [] }, { user: user('2'), roles: ['11'] }],
  };
  let state = play(initial, ['READY', { user: user('1'), guilds: [{ id: '10' }] }], ['GUILD_CREATE', guild]);
  state = addPage(state, '20', 'latest', [message('102'), message('101')], 50);
  const call = ['MESSAGE_CREATE', message('103', [user('1')])];
  state = play(state, call, call);
  const called = mentionsIn(state, '20');

  const reaction = (id) => ({ channel_id: '20', message_id: '102', emoji: { name: 'x' }, user_id: id });
  state = play(
    state,
    ['MESSAGE_UPDATE', { id: '102', channel_id: '20', content: 'new' }],
    ['MESSAGE_DELETE', { id: '101', channel_id: '20' }],
    ['MESSAGE_REACTION_ADD', reaction('1')],
    ['MESSAGE_REACTION_ADD', reaction('1')],
    ['MESSAGE_REACTION_ADD', reaction('2')],
    ['MESSAGE_REACTION_REMOVE', reaction('1')],
  );
  const items = state.histories['20'].items.map((one) => [one.id, one.content, one.reactions ?? []]);

  state = play(
    state,
    ['MESSAGE_ACK', { channel_id: '20', message_id: '103', mention_count: 0 }],
    ['MESSAGE_ACK', { channel_id: '20', message_id: '102', mention_count: 5 }],
  );
  const read = [mentionsIn(state, '20'), isUnread(state, channel)];

  state = play(
    state,
    ['GUILD_ROLE_DELETE', { guild_id: '10', role_id: '11' }],
    ['GUILD_MEMBER_REMOVE', { guild_id: '10', user: user('2') }],
    ['SOMETHING_NEW', {}],
  );
  const server = state.servers['10'];
  const gone = Object.keys(play(state, ['GUILD_DELETE', { id: '10' }]).servers);
  return { called, items, read, members: Object.keys(server.members), count: server.member_count, roles: Object.keys(server.roles), gone };
}
