// Run before the page: adds up how far things moved by themselves (https://web.dev/articles/cls).
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
}).observe({ type: 'layout-shift', buffered: true });
