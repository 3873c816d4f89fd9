// Ten thousand messages before the only one, as if they had been loaded.
async () => {
  const { store } = await import('/web/client.js');
  const { addPage } = await import('/web/state/messages.js');
  const channel = location.pathname.split('/')[3];
  const [last] = store.get().histories[channel].items;
  const page = Array.from({ length: 9_999 }, (_, at) => ({
    ...last,
    id: String(BigInt(last.id) - BigInt(at + 1) * 100_000_000n),
    content: `line ${at}: ${'word '.repeat(at % 40)}`,
  }));
  store.update((state) => addPage(state, channel, 'before', page, 20_000));
}
