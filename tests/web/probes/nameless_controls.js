// Controls that a screen reader could only call "button".
() => [...document.querySelectorAll('#app :is(button, a, input, textarea, select)')]
  .filter((one) => one.checkVisibility() && !one.closest('[aria-hidden=true]'))
  .filter((one) => !one.getAttribute('aria-label') && !one.labels?.length && !one.textContent.trim())
  .map((one) => one.outerHTML.slice(0, 150))
