// The readout of the curves of live_lines.js, where its elements and state (`me`) are made.
const number = (v, digits) => {
  if (!there(v)) return '–';
  v += 0; // no minus zero
  if (digits !== null) return v.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return v === 0 ? '0' : Math.abs(v) < 1e-4 ? v.toExponential(1) : String(Number(v.toPrecision(3)));
};

// The selected epoch: a line through all charts, a dot on each curve, and the table.
function point(me) {
  const { data, over, at, from, to } = me;
  over.replaceChildren();
  const several = data.runs.length > 1;
  if (at !== null && at >= from && at <= to) for (const p of me.panels) {
    put(over, 'line', { x1: me.X(p, at), x2: me.X(p, at), y1: p.y, y2: p.y + p.h, class: 'cross' });
    const labels = [];
    for (const s of p.panel.series) {
      const v = s.values[data.runs[s.run].x.indexOf(at)], fill = me.colors[data.runs[s.run].slot % me.colors.length];
      if (there(v) && p.Y(v) <= p.y + p.h + 4) put(over, 'circle', { cx: me.X(p, at), cy: p.Y(v), r: s.aside ? 2.6 : 3.6, fill });
      if (there(v) && !(several && s.aside)) labels.push({ text: number(v, p.panel.digits), fill, r: s.aside ? 2.2 : 3.2 });
    }
    labels.forEach((label) => (label.w = label.text.length * 6.6 + 18));
    while (labels.length > 1 && labels.reduce((sum, label) => sum + label.w, 0) > p.w + LEFT - p.title) labels.pop(); // the watched run keeps its label
    let x = p.x + p.w;
    for (const label of labels.reverse()) {
      put(over, 'text', { x, y: p.y - 11, 'text-anchor': 'end', class: 'now' }, label.text);
      put(over, 'circle', { cx: x - label.w + 9, cy: p.y - 15, r: label.r, fill: label.fill });
      x -= label.w;
    }
  }
  shade(me);
  if (me.brush) for (const p of me.panels) {
    const [a, b] = [...me.brush].sort((m, n) => m - n).map((v) => me.X(p, v));
    put(over, 'rect', { x: a, y: p.y, width: b - a, height: p.h, class: 'brush' });
  }
  table(me);
}

function table(me) {
  const { data, at, read } = me, series = data.panels.flatMap((p) => p.series.map((s) => ({ ...s, panel: p })));
  const heads = [...new Set(series.map((s) => s.head))];
  const cell = (row, kind, text) => { const c = document.createElement(kind); c.textContent = text; row.append(c); return c; };
  const head = document.createElement('thead'), body = document.createElement('tbody'), top = document.createElement('tr');
  for (const name of [at === null ? 'After the last epoch' : `After epoch ${at}`, 'Epoch', ...heads, 'Best test, %']) cell(top, 'th', name);
  head.append(top);
  body.className = data.runs.length > 1 ? 'several' : '';
  data.runs.forEach((run, index) => {
    const row = document.createElement('tr'), i = at === null ? run.x.length - 1 : run.x.indexOf(at), name = cell(row, 'td', run.name);
    name.title = run.name;
    row.className = run.main && data.runs.length > 1 ? 'main' : '';
    const sign = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    put(sign, 'line', { x1: 0, x2: 30, y1: 4, y2: 4, stroke: me.colors[run.slot % me.colors.length], 'stroke-width': 2.5, 'stroke-dasharray': data.runs.length > 1 ? DASHES[run.slot % DASHES.length] : '' });
    name.prepend(sign);
    cell(row, 'td', i >= 0 && run.x[i] !== undefined ? `${run.x[i]} / ${run.epochs}` : '–');
    for (const wanted of heads) {
      const s = series.find((line) => line.run === index && line.head === wanted);
      cell(row, 'td', number(s && i >= 0 ? s.values[i] : null, s ? s.panel.digits : 0));
    }
    cell(row, 'td', run.best ? `${number(run.best[1], 1)} at ${run.best[0]}` : '–');
    row.onpointerenter = () => { me.hot = data.runs.length > 1 ? index : null; shade(me); };
    row.onpointerleave = () => { me.hot = null; shade(me); };
    body.append(row);
  });
  const key = head.textContent + body.textContent + me.colors.join();
  if (key === me.shown) return;
  me.shown = key;
  read.replaceChildren(head, body);
}

const shade = (me) => { for (const g of me.base.querySelectorAll('[data-run]')) g.classList.toggle('dim', me.hot !== null && +g.dataset.run !== me.hot); };
