/** Light, dark, or as the system says. */

const KEY = 'beep.theme';

/** @returns {'system'|'light'|'dark'} */
export const theme = () => /** @type {any} */ (localStorage.getItem(KEY)) ?? 'system';

export function applyTheme() {
  const chosen = theme();
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

/** @param {'system'|'light'|'dark'} chosen */
export function setTheme(chosen) {
  if (chosen === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen);
  applyTheme();
}

export const isDark = () => (theme() === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches
  : theme() === 'dark');
