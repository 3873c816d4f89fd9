// The words for a reaction that Beep refuses.
async ([channel, message]) => {
  const { api } = await import('/web/client.js');
  const { wordsOf } = await import('/web/ui/forms.js');
  const path = `/channels/${channel}/messages/${message}/reactions/${encodeURIComponent('🎉')}/@me`;
  return api.put(path).then(() => 'not refused', wordsOf);
}
