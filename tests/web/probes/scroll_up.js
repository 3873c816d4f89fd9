// Scrolls up step by step: how far a message ever jumped from where scrolling should have put it, in pixels.
async () => {
  const box = document.querySelector('.scroller');
  const frame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });
  let worst = 0;
  for (let step = 0; step < 120; step += 1) {
    const top = box.getBoundingClientRect().top;
    const row = [...box.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().top > top + 200);
    const before = row.getBoundingClientRect().top;
    const by = Math.min(400, box.scrollTop);
    box.scrollTop -= by;
    await frame();
    await frame();
    if (row.isConnected) worst = Math.max(worst, Math.abs(row.getBoundingClientRect().top - before - by));
  }
  return { worst, rows: box.querySelectorAll('.message').length, reached: Number(/line (\d+)/.exec(box.textContent)[1]) };
}
