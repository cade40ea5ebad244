// Curves of trainings under way: small charts with one scale of epochs. They are redrawn in place,
// so nothing flickers, and the pointer, the zoom and the keys keep their place.
// data = {first, last, runs: [{name, slot, x, main, epochs, best: [epoch, value] | null}], stages: [[epoch, name]],
//   panels: [{title, unit, digits, zero, tall, refs: [{name, value, start}],
//             best, series: [{run, name, head, aside, values}]}], still, marks, alt}
const LEFT = 42, GAP = 30, HEAD = 26, FOOT = 22;
const DASHES = ['', '7 3', '2 3', '10 3 2 3', '4 2', '14 4', '1 4', '6 2 1 2'];

// The theme's accent and orange, then colors from a search: any two of the six differ by at least 30
// in CIELAB, also with protanopia and deuteranopia, each with a contrast of 3:1 or more. Dashes differ too.
const COLORS = {
  light: ['#0b6e74', '#c2541d', '#2f2fe0', '#0f0f6f', '#4c87fe', '#6f0f0f'],
  dark: ['#4fb8bd', '#f09058', '#4c4cfe', '#feff19', '#628fe8', '#b2ffcc'],
};

function colors(element) {
  const ground = getComputedStyle(element).getPropertyValue('--st-background-color').trim();
  const parts = ground.match(/^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i)?.slice(1).map((v) => parseInt(v, 16)) ?? ground.match(/\d+/g)?.map(Number) ?? [255];
  return COLORS[parts[0] < 128 ? 'dark' : 'light'];
}


// The places of the charts: two tall ones above the others, or all below each other.
function places(panels, width) {
  const wide = width >= 620, placed = [];
  let top = 0;
  for (const tall of [true, false]) {
    const row = panels.filter((p) => p.tall === tall), across = wide ? row.length : 1;
    const each = (width - GAP * (across - 1)) / Math.max(1, across), height = tall ? (wide ? 196 : 150) : wide ? 92 : 62;
    row.forEach((panel, i) => {
      const x = (i % across) * (each + GAP), last = wide || (!tall && i === row.length - 1);
      placed.push({ panel, x: x + LEFT, w: each - LEFT - 6, y: top + HEAD, h: height, last });
      if (i % across === across - 1) top += HEAD + height + (last ? FOOT + (tall ? 12 : 0) : 10);
    });
  }
  return { placed, height: top + 2 };
}

// The scale of one chart. A start far below everything else is left out, as it would flatten the rest.
function range(panel, runs, from, to) {
  const values = panel.series.flatMap((s) => s.values.filter((v, i) => there(v) && runs[s.run].x[i] >= Math.max(1, from) && runs[s.run].x[i] <= to));
  const starts = panel.refs.filter((r) => r.start).map((r) => r.value);
  const all = [...values, ...panel.refs.filter((r) => !r.start).map((r) => r.value)];
  let low = Math.min(...all, ...(all.length ? [] : starts)), high = Math.max(...all, ...(all.length ? [] : starts));
  for (const start of starts) if (values.length < 3 || low - start < 0.25 * (high - low)) [low, high] = [Math.min(low, start), Math.max(high, start)];
  if (!isFinite(low)) return [0, 1];
  if (panel.zero) return [0, high > 0 ? high * 1.08 : 1];
  const pad = Math.max((high - low) * 0.08, 0.25);
  return [low - pad, Math.min(high + pad * 1.6, panel.unit === '%' && high <= 100 ? Math.max(100.4, high) : Infinity)];
}

function paint(me) {
  const { data, base, svg, width } = me, [from, to] = me.zoom ?? [data.first, data.last];
  const X = (p, v) => p.x + (p.w * (v - from)) / Math.max(1e-9, to - from);
  const { placed, height } = places(data.panels, width);
  Object.assign(me, { panels: placed, X, from, to });
  svg.setAttribute('height', height);
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('aria-label', data.alt);
  base.replaceChildren();
  placed.forEach((p, index) => {
    const [low, high] = range(p.panel, data.runs, from, to);
    p.Y = (v) => p.y + p.h * (1 - (v - low) / (high - low));
    const title = put(base, 'text', { x: p.x - LEFT, y: p.y - 11, class: 'title' }, p.panel.title);
    if (p.panel.unit) put(title, 'tspan', { class: 'unit' }, `, ${p.panel.unit}`);
    p.title = (title.getComputedTextLength?.() ?? 90) + 8;
    const empty = !p.panel.series.some((s) => s.values.some(there));
    const clip = put(put(base, 'clipPath', { id: `${me.id}-${index}` }), 'rect', { x: p.x - 1, y: p.y - 4, width: p.w + 6, height: p.h + 5 }) && `url(#${me.id}-${index})`;
    let scale = ticks(low, high, p.panel.tall ? 4 : 2); // one tick alone does not show the scale
    for (let n = 3; scale.values.length < 2 && n < 9; n++) scale = ticks(low, high, n);
    if (!empty || p.panel.refs.length) for (const t of scale.values) {
      if (p.Y(t) < p.y - 1) continue;
      put(base, 'line', { x1: p.x, x2: p.x + p.w, y1: p.Y(t), y2: p.Y(t), class: 'grid' });
      put(base, 'text', { x: p.x - 8, y: p.Y(t) + 4, 'text-anchor': 'end', class: 'tick' }, number(t, scale.digits));
    }
    put(base, 'line', { x1: p.x, x2: p.x + p.w, y1: p.y + p.h, y2: p.y + p.h, class: 'axis' });
    if (p.last) epochs(base, p, X, from, to);
    for (const [at] of data.stages) if (at > from && at < to) put(base, 'line', { x1: X(p, at), x2: X(p, at), y1: p.y, y2: p.y + p.h, class: 'stageline' });
    if (empty) put(base, 'text', { x: p.x + 8, y: p.y + (p.panel.tall ? 18 : 15), class: 'tick' }, p.panel.refs.length ? '' : 'after the first epoch');
    p.busy = []; p.placed = [];
    const ends = curves(me, p, clip);
    references(base, p, [low, high]);
    for (const end of ends) label(base, p, 'end', end.name, [[7, 4, 0], [0, -9, 0.5], [0, 18, 0.5], [-9, -7, 1], [-9, 16, 1], [-9, -20, 1], [-9, 30, 1], [-9, -34, 1], [-9, 44, 1]].map(([dx, dy, at]) => [end.x + dx, end.y + dy, at]));
    if (!index) names(base, p, X, data.stages, from, to);
  });
}

function epochs(base, p, X, from, to) {
  const scale = ticks(from, to, Math.min(8, Math.max(2, p.w / 42)), true).values;
  for (const t of scale) put(base, 'text', { x: X(p, t), y: p.y + p.h + 15, 'text-anchor': 'middle', class: 'tick' }, number(t, 0));
  put(base, 'text', { x: p.x - LEFT, y: p.y + p.h + 15, class: 'tick' }, 'epoch');
}

function curves(me, p, clip) {
  const { data, base } = me, single = data.runs.length === 1, ends = [];
  for (const series of [...p.panel.series].sort((a, b) => b.aside - a.aside || data.runs[b.run].slot - data.runs[a.run].slot)) {
    const run = data.runs[series.run], color = me.colors[run.slot % me.colors.length];
    const points = run.x.map((v, i) => [v, series.values[i]]).filter((q) => there(q[1]));
    if (!points.length) continue;
    const group = put(base, 'g', { 'data-run': series.run });
    const on = points.map(([a, b]) => [me.X(p, a), p.Y(b)]);
    const dash = single ? '' : DASHES[run.slot % DASHES.length];
    const kind = 'line' + (series.aside ? ' aside' : '');
    put(group, 'polyline', { points: on.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' '), class: kind, stroke: color, 'stroke-dasharray': dash, 'clip-path': clip });
    on.forEach(([x, y], i) => {
      const [u, v] = on[i + 1] ?? [x, y], n = Math.max(1, Math.ceil(Math.hypot(u - x, v - y) / 5));
      for (let k = 0; k < n; k++) p.busy.push([x + ((u - x) * k) / n, y + ((v - y) * k) / n]);
    });
    const [x, y] = on.at(-1);
    if (x > p.x + p.w + 1 || x < p.x - 1) continue;
    if (!series.aside || p.panel.tall) put(group, 'circle', { cx: x, cy: y, r: series.aside ? 2.2 : 3.2, fill: color });
    if (single && p.panel.tall && p.panel.series.length > 1) ends.push({ name: series.name, x, y });
    if (run.best && p.panel.best && !series.aside) best(me, p, group, run, color);
  }
  return ends;
}

function best(me, p, group, run, color) {
  const [at, value] = run.best, x = me.X(p, at);
  if (x < p.x - 1 || x > p.x + p.w + 1) return;
  put(group, 'circle', { cx: x, cy: p.Y(value), r: 4.4, class: 'ring', stroke: color });
}

// A text at the first of the places [x, y, anchor 0 (start) .. 1 (end)] that hides least.
function label(base, p, kind, text, spots) {
  const element = put(base, 'text', { class: kind }, text), w = (element.getComputedTextLength?.() || text.length * 6) + 4;
  const candidates = spots.map(([x, y, at]) => {
    const left = x - at * w, top = y - 10, hits = (q) => q[0] > left - 3 && q[0] < left + w + 3 && q[1] > top - 2 && q[1] < top + 14;
    const over = p.placed.filter((o) => o[0] < left + w && o[0] + o[2] > left && Math.abs(o[1] - top) < 13).length;
    const out = left < p.x - 1 || left + w > p.x + p.w + 8 || top < p.y - 16 || y > p.y + p.h;
    return { left, top, y, cost: p.busy.filter(hits).length + 40 * over + (out ? 30 : 0) };
  });
  const best = candidates.reduce((a, b) => (b.cost < a.cost ? b : a));
  element.setAttribute('x', best.left + 1);
  element.setAttribute('y', best.y);
  p.placed.push([best.left, best.top, w]);
}

// The horizontal lines and their names.
function references(base, p, [low, high]) {
  for (const ref of p.panel.refs) {
    const text = `${ref.name} ${number(ref.value, p.panel.digits)}`, off = ref.value < low || ref.value > high;
    const y = off ? p.y + p.h : p.Y(ref.value), ends = [[p.x + 4, 0], [p.x + p.w / 2, 0.5], [p.x + p.w - 2, 1]];
    if (!off) put(base, 'line', { x1: p.x, x2: p.x + p.w, y1: y, y2: y, class: 'refline' + (ref.start ? ' start' : '') });
    if (ref.start) ends.reverse();
    label(base, p, 'ref', off ? `↓ ${text}` : text, [...ends.map(([x, at]) => [x, y - 5, at]), ...(off ? [] : ends.map(([x, at]) => [x, y + 13, at]))]);
  }
}

function names(base, p, X, stages, from, to) {
  let free = -1e9;
  for (const [at, name] of stages) {
    const x = X(p, at) + 4;
    if (at < from || at >= to || x < free) continue;
    const label = put(base, 'text', { x, y: p.y + p.h - 6, class: 'stage' }, name);
    free = x + (label.getComputedTextLength?.() || name.length * 6) + 10;
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const box = parentElement.querySelector('.lines'), svg = box.querySelector(':scope > svg');
  const say = parentElement.querySelector('.say'), all = box.querySelector('.all');
  const me = (box.me ??= { at: null, hot: null, zoom: null, brush: null, id: 'c' + Math.random().toString(36).slice(2, 9) });
  Object.assign(me, { data, svg, base: svg.querySelector('.base'), over: svg.querySelector('.over'), read: box.querySelector('.read') });
  const places = [...new Set(data.runs.flatMap((run) => run.x))].sort((a, b) => a - b);
  me.draw = () => {
    me.width = Math.max(260, box.clientWidth);
    me.colors = colors(box);
    all.hidden = !me.zoom;
    paint(me); point(me);
  };
  const show = (at) => { if (at !== me.at) { me.at = at; point(me); } };
  const under = (event) => {
    const from = svg.getBoundingClientRect(), x = event.clientX - from.left, y = event.clientY - from.top;
    const p = me.panels.find((q) => x > q.x - LEFT && x < q.x + q.w + GAP / 2 && y > q.y - HEAD && y < q.y + q.h + FOOT) ?? me.panels[0];
    return Math.min(me.to, Math.max(me.from, me.from + ((x - p.x) / p.w) * (me.to - me.from)));
  };
  const nearest = (v) => places.reduce((a, b) => (Math.abs(b - v) < Math.abs(a - v) ? b : a), places[0] ?? null);
  const zoomed = (zoom) => { me.zoom = zoom; me.brush = null; me.draw(); };
  svg.onpointerdown = (event) => { if (event.pointerType === 'mouse' && !event.button) { me.press = [event.clientX, under(event)]; svg.setPointerCapture(event.pointerId); } };
  svg.onpointermove = (event) => {
    const v = under(event);
    if (me.press && Math.abs(event.clientX - me.press[0]) > 6) { me.brush = [me.press[1], v]; point(me); } else if (places.length) show(nearest(v));
  };
  svg.onpointerup = () => {
    const [a, b] = (me.brush ?? []).map(Math.round).sort((m, n) => m - n);
    me.press = null;
    if (me.brush && b - a >= 1) zoomed([a, b]); else if (me.brush) zoomed(me.zoom);
  };
  svg.onpointercancel = () => { me.press = me.brush = null; show(null); };
  svg.onpointerleave = () => { if (!me.press) show(null); };
  svg.ondblclick = all.onclick = () => zoomed(null);
  svg.onkeydown = (event) => {
    const i = me.at === null ? places.length : places.indexOf(me.at);
    const to = { ArrowLeft: i - 1, ArrowRight: Math.min(i + 1, places.length - 1), Home: 0, End: places.length - 1 }[event.key];
    if (event.key === 'Escape') { show(null); return zoomed(null); }
    if (to === undefined || !places.length) return;
    event.preventDefault();
    show(places[Math.max(0, to)]);
    say.textContent = [...me.read.rows].map((row) => [...row.cells].map((c) => c.textContent).join(' ')).join('; ');
  };
  svg.onblur = () => show(null);
  box.querySelector('.marks').textContent = data.marks;
  box.dataset.epochs = data.runs.map((run) => run.x.filter((v) => v > 0).length).join();
  // Without a clock, a tab refreshes when it comes back into view: another may have started a run.
  document.removeEventListener('visibilitychange', me.back);
  me.back = () => { if (document.visibilityState === 'visible' && data.still) setTriggerValue('look', Date.now()); };
  document.addEventListener('visibilitychange', me.back);
  me.seen?.disconnect();
  me.seen = new ResizeObserver(() => box.clientWidth !== me.wide && ((me.wide = box.clientWidth), me.draw()));
  me.seen.observe(box);
  if (me.at !== null && !places.includes(me.at)) me.at = null;
  me.draw();
  if (me.at === null && say.textContent !== data.alt) say.textContent = data.alt;
  return () => { me.seen.disconnect(); document.removeEventListener('visibilitychange', me.back); };
}
