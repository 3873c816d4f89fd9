/** Components are functions; `html` is JSX without a compiler. What is put into `${}` becomes text, never markup. */
import { h } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export { createContext, Fragment, h, render } from '../vendor/preact.js';
export { useCallback, useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
export const html = htm.bind(h);
