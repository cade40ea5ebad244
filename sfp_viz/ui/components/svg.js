// Shared by the drawings; load.py puts it before the scripts that need it.

/** Add an SVG element with `attributes`, and `text` inside, to `parent`; returns it. */
function put(parent, kind, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** Whether `v` is a number that can be drawn. */
const there = (v) => v !== null && v !== undefined && isFinite(v);

/** About `wanted` round numbers from `low` to `high`, and the digits that they need; `whole`:
 * integers only. */
function ticks(low, high, wanted, whole) {
  const rough = (high - low) / wanted || 1, size = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const values = [];
  for (let t = Math.ceil(low / step - 1e-9) * step + 0; t <= high + 1e-9 * step; t += step) values.push(t + 0);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Numbers as text: with fixed digits, a share in per cent, and a count as text/numbers.py writes
 * it. */
const fixed = (v, digits) => v.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (share, digits = 0) => `${fixed(100 * share, digits)} %`;
const count = (n) => {
  for (const [size, letter] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
    const v = n / size;
    if (v >= 0.9995) return `${fixed(v, v < 9.995 ? 2 : v < 99.95 ? 1 : 0)} ${letter}`;
  }
  return fixed(n, 0);
};
