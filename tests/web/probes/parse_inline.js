async (texts) => {
  const { parseInline } = await import('/web/ui/markdown.js');
  return texts.map((text) => parseInline(text));
}
