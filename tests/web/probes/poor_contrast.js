// Text that stands out too little from what is behind it (WCAG 2.2, 1.4.3), where both are plain colours.
() => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255];
  };
  const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const counts = (one) => hasText(one) && one.checkVisibility({ opacityProperty: true })
    && !one.closest('[disabled], .away, [aria-hidden=true]');
  const poor = new Set();
  for (const one of [...document.querySelectorAll('#app *')].filter(counts)) {
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${one.className || one.tagName} ${ratio.toFixed(2)}: ${one.textContent.slice(0, 20)}`);
  }
  return [...poor];
}
