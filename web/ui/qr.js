/** QR codes (ISO/IEC 18004), byte mode, error correction L, versions 1 to 10: enough for an otpauth: address. */

// For each version: data codewords, error correction codewords of a block, blocks.
const VERSIONS = [[19, 7, 1], [34, 10, 1], [55, 15, 1], [80, 20, 1], [108, 26, 1], [136, 18, 2], [156, 20, 2], [194,
  24, 2], [232, 30, 2], [274, 18, 4]];
const ALIGNMENT = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let i = 0, value = 1; i < 255; i += 1) {
  EXP[i] = EXP[i + 255] = value;
  LOG[value] = i;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
const multiply = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

function correction(data, length) {
  let generator = [1];
  for (let i = 0; i < length; i += 1) {
    const next = [...generator, 0];
    generator.forEach((value, at) => { next[at + 1] ^= multiply(value, EXP[i]); });
    generator = next;
  }
  const rest = [...data, ...new Array(length).fill(0)];
  data.forEach((_, at) => {
    const factor = rest[at];
    if (factor) generator.forEach((value, offset) => { rest[at + offset] ^= multiply(value, factor); });
  });
  return rest.slice(data.length);
}

function codewords(bytes, version) {
  const [size, ecc, blocks] = VERSIONS[version - 1];
  const bits = [];
  const put = (value, length) => { for (let i = length - 1; i >= 0; i -= 1) bits.push((value >> i) & 1); };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => put(byte, 8));
  put(0, Math.min(4, size * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const data = [];
  for (let i = 0; i < bits.length; i += 8) data.push(Number.parseInt(bits.slice(i, i + 8).join(''), 2));
  for (let pad = 0xec; data.length < size; pad ^= 0xec ^ 0x11) data.push(pad);
  const short = Math.floor(size / blocks);
  const long = size % blocks;
  const parts = [];
  for (let block = 0, at = 0; block < blocks; block += 1) {
    const length = short + (block >= blocks - long ? 1 : 0);
    parts.push(data.slice(at, at + length));
    at += length;
  }
  const checks = parts.map((part) => correction(part, ecc));
  const out = [];
  for (let i = 0; i <= short; i += 1) for (const part of parts) if (i < part.length) out.push(part[i]);
  for (let i = 0; i < ecc; i += 1) for (const check of checks) out.push(check[i]);
  return out;
}

/** @returns {boolean[][]} rows of modules, true is dark */
export function qrCode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = VERSIONS.findIndex(([size], at) => bytes.length + (at < 9 ? 2 : 3) <= size) + 1;
  if (!version) throw new RangeError('too long for this code');
  const side = version * 4 + 17;
  const dark = Array.from({ length: side }, () => new Array(side).fill(false));
  const fixed = Array.from({ length: side }, () => new Array(side).fill(false));
  const set = (x, y, value) => {
    if (x < 0 || y < 0 || x >= side || y >= side) return;
    dark[y][x] = value;
    fixed[y][x] = true;
  };
  for (let i = 0; i < side; i += 1) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  for (const [cx, cy] of [[3, 3], [side - 4, 3], [3, side - 4]]) {
    for (let y = -4; y <= 4; y += 1) for (let x = -4; x <= 4; x += 1) {
      const far = Math.max(Math.abs(x), Math.abs(y));
      set(cx + x, cy + y, far !== 2 && far !== 4);
    }
  }
  const centres = ALIGNMENT[version - 1];
  centres.forEach((cy, row) => centres.forEach((cx, column) => {
    const last = centres.length - 1;
    if ((row === 0 && (column === 0 || column === last)) || (row === last && column === 0)) return;
    for (let y = -2; y <= 2; y += 1) for (let x = -2; x <= 2; x += 1) set(cx + x, cy + y, Math.max(Math.abs(x),
      Math.abs(y)) !== 1);
  }));
  drawFormat(side, set);
  if (version >= 7) drawVersion(version, side, set);
  // Data: two columns at a time, from the right, up and down in turn.
  const bits = codewords(bytes, version).flatMap((word) => [7, 6, 5, 4, 3, 2, 1, 0].map((at) => (word >> at) & 1));
  let at = 0;
  for (let right = side - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < side; step += 1) for (let column = 0; column < 2; column += 1) {
      const x = right - column;
      const y = ((right + 1) & 2) === 0 ? side - 1 - step : step;
      if (fixed[y][x]) continue;
      // Mask 0.
      dark[y][x] = Boolean((bits[at] ?? 0) ^ Number((x + y) % 2 === 0));
      at += 1;
    }
  }
  return dark;
}

function drawFormat(side, set) {
  const data = 0b01_000; // L, mask 0
  let rest = data;
  for (let i = 0; i < 10; i += 1) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  const bit = (i) => Boolean((bits >> i) & 1);
  for (let i = 0; i <= 5; i += 1) set(8, i, bit(i));
  set(8, 7, bit(6));
  set(8, 8, bit(7));
  set(7, 8, bit(8));
  for (let i = 9; i < 15; i += 1) set(14 - i, 8, bit(i));
  for (let i = 0; i < 8; i += 1) set(side - 1 - i, 8, bit(i));
  for (let i = 8; i < 15; i += 1) set(8, side - 15 + i, bit(i));
  set(8, side - 8, true);
}

function drawVersion(version, side, set) {
  let rest = version;
  for (let i = 0; i < 12; i += 1) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let i = 0; i < 18; i += 1) {
    const value = Boolean((bits >> i) & 1);
    const a = side - 11 + (i % 3);
    const b = Math.floor(i / 3);
    set(a, b, value);
    set(b, a, value);
  }
}

const MODULE_PX = 5;
const QUIET = 4;

/** @param {HTMLCanvasElement} canvas @param {string} text */
export function drawCode(canvas, text) {
  const rows = qrCode(text);
  canvas.width = canvas.height = (rows.length + 2 * QUIET) * MODULE_PX;
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = '#000';
  rows.forEach((row, y) => row.forEach((on, x) => on && pen.fillRect((x + QUIET) * MODULE_PX, (y + QUIET) * MODULE_PX,
    MODULE_PX, MODULE_PX)));
}
