// What is wrong with how the focus shows; '' if nothing is.
() => {
  const one = document.activeElement;
  if (one === document.body) return 'nothing has the focus';
  const style = getComputedStyle(one);
  const around = getComputedStyle(one.closest('.composer') ?? one);
  const isOutlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const isDrawn = isOutlined || style.boxShadow !== 'none' || around.boxShadow !== 'none';
  const box = one.getBoundingClientRect();
  const isInView = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  return isDrawn && isInView ? '' : `${one.outerHTML.slice(0, 120)} shows no focus`;
}
