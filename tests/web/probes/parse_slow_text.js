// How long the worst texts take that somebody thought of, in milliseconds.
async () => {
  const { parse } = await import('/web/ui/markdown.js');
  const texts = [['*', 2000], ['_a', 1000], ['`a', 1000], ['**a*', 500], ['```', 600], ['<@', 1000], ['~~a', 600], ['> ', 900]];
  const began = performance.now();
  for (const [text, times] of texts) parse(text.repeat(times));
  return performance.now() - began;
}
