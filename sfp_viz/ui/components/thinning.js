// A network that becomes sparse while it trains: its current layers, each layer over the epochs as a
// ribbon, and small charts below on the same scale. Redrawn in place, so nothing flickers.
// data = {epochs: [...], total, layers: [{name, short, filters, live, stripes, gates, residual, prunable}],
//   macs, whole, target, loss, accuracy: [[epoch, value]], marks: [[epoch, word]], active, alt, hint}
const HEAD = 24, FOOT = 20, GAP = 30, LEFT = 46;
const FEW = 6; // lines without a bold median

const median = (values) => { const v = values.filter(there).sort((a, b) => a - b); return v.length ? v[(v.length - 1) >> 1] : null; };

// The places of what is drawn: ribbons above, charts below.
function places(me) {
  const { data, width } = me, rows = data.layers.map((layer, i) => ({ layer, i })).filter((r) => r.layer.prunable), wide = width >= 620;
  const names = Math.min(wide ? 150 : 104, Math.max(40, ...rows.map((r) => r.layer.short.length * 6.3 + 10)));
  const counts = 14 + 6.3 * Math.max(7, ...rows.map((r) => left(r.layer, 0).length - (r.layer.stripes ? 1 : 0))), each = rows.length <= 4 ? 34 : rows.length <= 14 ? 22 : rows.length <= 30 ? 17 : 13;
  const head = HEAD + (data.marks.length ? 12 : 0), ribbons = { x: names, w: width - names - counts, y: head, each, h: each * rows.length };
  const panels = charts(data), across = !wide ? 1 : panels.length === 3 ? 3 : Math.min(2, panels.length);
  const one = (width - GAP * (across - 1)) / across, high = wide ? 104 : 84;
  let top = head + ribbons.h + (rows.length ? FOOT + 14 : 0);
  if (!rows.length) top = 0;
  panels.forEach((p, i) => {
    Object.assign(p, { x: (i % across) * (one + GAP) + LEFT, w: one - LEFT - 8, y: top + HEAD, h: high });
    if (i % across === across - 1 || i === panels.length - 1) top += HEAD + high + FOOT + 10;
  });
  return { rows, ribbons, panels, height: top };
}

function charts(data) {
  const layers = data.layers, panels = [], shares = data.macs.map((m) => (100 * m) / data.whole);
  panels.push({ title: 'MACs kept', unit: '%, counted', low: 0, high: 104, digits: 0, lines: [{ values: shares }], ref: data.target === null ? null : [`target ${percent(data.target)}`, 100 * data.target] });
  panels.push({ title: 'Test accuracy', unit: '%, measured', digits: 1, dots: data.accuracy, lines: [], empty: 'after the first epoch' });
  panels.push({ title: 'Loss', unit: 'training', digits: 3, low: 0, lines: [{ values: data.loss }] });
  const apart = [...new Map(layers.filter((b) => b.residual).map((b) => [b.residual.join(), b])).values()];
  if (apart.length) panels.push({ title: 'Distance to the sparse copy', unit: '‖W−F‖ / ‖W‖', digits: 3, low: 0, series: 'residual', lines: [...apart.map((b) => ({ values: b.residual, kind: apart.length > FEW ? 'line aside' : 'line each' })), ...(apart.length > FEW ? [{ values: data.epochs.map((_, i) => median(apart.map((b) => b.residual[i]))) }] : [])], median: data.epochs.map((_, i) => median(apart.map((b) => b.residual[i]))) });
  const gated = layers.filter((b) => b.gates);
  if (gated.length) panels.push({ title: 'Gates', unit: 'magnitude', digits: 2, low: 0, series: 'gates', gated, lines: [] });
  return panels;
}

function paint(me) {
  const { data, base, svg, width } = me, place = places(me), { rows, ribbons, panels } = place;
  Object.assign(me, place);
  me.X = (p, epoch) => p.x + (p.w * epoch) / Math.max(1e-9, data.total);
  svg.setAttribute('height', place.height);
  svg.setAttribute('viewBox', `0 0 ${width} ${place.height}`);
  svg.setAttribute('aria-label', data.alt);
  base.replaceChildren();
  if (rows.length) ribbon(me, base, rows, ribbons);
  for (const p of panels) chart(me, base, p);
}

function ribbon(me, base, rows, at) {
  const { data, X } = me;
  const title = put(base, 'text', { x: 0, y: 12, class: 'title' }, 'Each layer over the epochs');
  if (at.x + at.w > 330) put(title, 'tspan', { class: 'unit' }, ', thickness: share kept');
  put(base, 'text', { x: at.x + at.w + 10, y: 12, class: 'tick' }, data.layers.some((b) => b.stripes) ? 'filters, stripes' : 'filters');
  for (const t of ticks(0, data.total, Math.min(10, Math.max(2, at.w / 50)), true).values) {
    put(base, 'line', { x1: X(at, t), x2: X(at, t), y1: at.y, y2: at.y + at.h, class: 'grid' });
    put(base, 'text', { x: X(at, t), y: at.y + at.h + 15, 'text-anchor': 'middle', class: 'tick' }, t);
  }
  put(base, 'text', { x: 0, y: at.y + at.h + 15, class: 'tick' }, 'epoch');
  rows.forEach(({ layer }, i) => {
    const y = at.y + (i + 0.5) * at.each, half = at.each / 2 - 1.5;
    put(base, 'text', { x: 0, y: y + 4, class: 'name' }, short(layer.short, at.x - 8));
    put(base, 'rect', { x: at.x, y: y - half, width: X(at, data.epochs.at(-1)) - at.x, height: 2 * half, class: 'gone' });
    for (const [kind, share] of [['pale', live], ['core', core]]) {
      if (kind === 'pale' && !layer.stripes) continue;
      const top = data.epochs.map((e, k) => [X(at, e), half * share(layer, k)]);
      const way = [...top.map(([x, h]) => [x, y - h]), ...top.reverse().map(([x, h]) => [x, y + h])];
      put(base, 'polygon', { points: way.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' '), class: kind });
    }
  });
  marks(me, base, at, true);
}

function marks(me, base, p, named) {
  let free = -1e9;
  for (const [epoch, word] of me.data.marks) {
    const x = me.X(p, epoch);
    put(base, 'line', { x1: x, x2: x, y1: p.y, y2: p.y + p.h, class: 'markline' });
    if (!named || x < free) continue;
    const end = x + word.length * 6.2 > p.x + p.w, text = put(base, 'text', { x: x + (end ? 2 : -1), y: p.y - 4, class: 'mark', 'text-anchor': end ? 'end' : 'start' }, word);
    free = x + (text.getComputedTextLength?.() || word.length * 6.2) + 10;
  }
}

function scale(me, p) {
  const gates = (p.gated ?? []).flatMap((b) => b.gates.filter(Boolean).map((g) => g[4]));
  const values = [...p.lines.flatMap((l) => l.values), ...(p.dots ?? []).map((d) => d[1]), ...gates].filter(there);
  if (!values.length) return [0, 1];
  const low = p.low ?? Math.min(...values), high = p.high ?? Math.max(...values), pad = Math.max((high - low) * 0.1, 1e-3);
  return [p.low ?? low - Math.max(pad, 0.5), p.high ?? (p.dots ? Math.min(100.5, high + Math.max(pad, 0.5)) : high + pad)];
}

function chart(me, base, p) {
  const { data, X } = me, [low, high] = scale(me, p);
  p.Y = (v) => p.y + p.h * (1 - (v - low) / (high - low));
  const title = put(base, 'text', { x: p.x - LEFT, y: p.y - 10, class: 'title' }, p.title);
  put(title, 'tspan', { class: 'unit' }, `, ${p.unit}`);
  const grid = ticks(low, high, 3);
  for (const t of grid.values) {
    if (p.Y(t) < p.y - 1) continue;
    put(base, 'line', { x1: p.x, x2: p.x + p.w, y1: p.Y(t), y2: p.Y(t), class: 'grid' });
    put(base, 'text', { x: p.x - 7, y: p.Y(t) + 4, 'text-anchor': 'end', class: 'tick' }, fixed(t, grid.digits));
  }
  put(base, 'line', { x1: p.x, x2: p.x + p.w, y1: p.y + p.h, y2: p.y + p.h, class: 'axis' });
  for (const t of ticks(0, data.total, Math.min(8, Math.max(2, p.w / 44)), true).values) put(base, 'text', { x: X(p, t), y: p.y + p.h + 14, 'text-anchor': 'middle', class: 'tick' }, t);
  put(base, 'text', { x: p.x - LEFT, y: p.y + p.h + 14, class: 'tick' }, 'epoch');
  marks(me, base, p, false);
  if (p.gated) fan(me, base, p, p.gated);
  for (const l of p.lines) line(me, base, p, l.values, l.kind ?? 'line');
  if (p.dots) {
    put(base, 'polyline', { points: p.dots.map(([e, v]) => `${X(p, e).toFixed(1)},${p.Y(v).toFixed(1)}`).join(' '), class: 'line' });
    if (p.dots.length < 60) for (const [e, v] of p.dots) put(base, 'circle', { cx: X(p, e), cy: p.Y(v), r: 2.6, class: 'dot' });
    if (!p.dots.length) put(base, 'text', { x: p.x + 8, y: p.y + 16, class: 'tick' }, p.empty);
  }
  if (p.ref) {
    put(base, 'line', { x1: p.x, x2: p.x + p.w, y1: p.Y(p.ref[1]), y2: p.Y(p.ref[1]), class: 'refline' });
    reference(me, base, p, p.lines.at(-1).values);
  }
}

// The name of the horizontal line, where it hides least of the curve: below or above the line.
function reference(me, base, p, values) {
  const [name, value] = p.ref, w = name.length * 6.2, y = p.Y(value), on = me.data.epochs.map((e, i) => [me.X(p, e), p.Y(values[i])]);
  const spots = [0, 0.35, 0.7, 1].flatMap((at) => [13, -5].map((down) => [p.x + 4 + at * (p.w - w - 4), y + down]));
  const hidden = ([left, foot]) => on.filter(([x, v]) => x > left - 4 && x < left + w + 4 && v > foot - 12 && v < foot + 4).length + (foot > p.y + p.h ? 99 : 0);
  const [x, foot] = spots.reduce((a, b) => (hidden(b) < hidden(a) ? b : a));
  put(base, 'text', { x, y: foot, class: 'ref' }, name);
}

function line(me, base, p, values, kind) {
  const on = me.data.epochs.map((e, i) => [me.X(p, e), values[i]]).filter((q) => there(q[1]));
  put(base, 'polyline', { points: on.map(([x, v]) => `${x.toFixed(1)},${p.Y(v).toFixed(1)}`).join(' '), class: kind });
}

// Range, interquartile range and median of the gates: of one layer, or of the median layer.
function fan(me, base, p, layers, chosen) {
  const points = me.data.epochs.map((e, i) => [e, [0, 1, 2, 3, 4].map((k) => median(layers.map((b) => b.gates[i]?.[k])))]).filter((q) => there(q[1][2]));
  const on = ([e, v], k) => `${me.X(p, e).toFixed(1)},${p.Y(v[k]).toFixed(1)}`;
  if (!chosen) for (const [a, b] of [[0, 4], [1, 3]]) put(base, 'polygon', { points: [...points.map((q) => on(q, a)), ...[...points].reverse().map((q) => on(q, b))].join(' '), class: 'fan' });
  for (const k of chosen ? [0, 4] : []) put(base, 'polyline', { points: points.map((q) => on(q, k)).join(' '), class: 'line on dash' });
  put(base, 'polyline', { points: points.map((q) => on(q, 2)).join(' '), class: chosen ? 'line on' : 'line' });
}

// Draws what the pointer or the keys select: an epoch, a layer, or both.
function show(me) {
  const { data, over, X } = me, at = now(me);
  over.replaceChildren();
  network(me);
  const chosen = me.row === null ? null : data.layers[me.row];
  me.rows.forEach(({ layer, i }, place) => {
    const r = me.ribbons, y = r.y + (place + 0.5) * r.each, on = me.row === i;
    if (on) put(over, 'rect', { x: -4, y: y - r.each / 2, width: me.width + 8, height: r.each, class: 'row', rx: 3 });
    put(over, 'text', { x: r.x + r.w + 10, y: y + 4, class: 'count' + (on ? ' on' : '') }, left(layer, at));
  });
  for (const p of me.panels) {
    if (chosen?.[p.series]) {
      if (p.series === 'gates') fan(me, over, p, [chosen], true);
      else line(me, over, p, chosen[p.series], 'line on');
    }
    const value = p.dots ? p.dots.filter(([e]) => e <= data.epochs[at] + 1e-6).at(-1)?.[1] : p.gated ? (chosen?.gates ? chosen : null)?.gates[at]?.[2] ?? median(p.gated.map((b) => b.gates[at]?.[2])) : chosen?.[p.series] ? chosen[p.series][at] : (p.median ?? p.lines.at(-1).values)[at];
    if (there(value)) put(over, 'text', { x: p.x + p.w, y: p.y - 10, 'text-anchor': 'end' }, fixed(value, p.digits));
    if (me.at !== null) put(over, 'line', { x1: X(p, data.epochs[at]), x2: X(p, data.epochs[at]), y1: p.y, y2: p.y + p.h, class: 'cross' });
  }
  if (me.at !== null && me.rows.length) { const r = me.ribbons, x = X(r, data.epochs[at]); put(over, 'line', { x1: x, x2: x, y1: r.y, y2: r.y + r.h, class: 'cross' }); }
  words(me, at, chosen);
}

function words(me, at, chosen) {
  const { data } = me, filters = data.layers.reduce((s, b) => s + b.filters, 0), stay = data.layers.reduce((s, b) => s + b.live[at], 0);
  const bold = document.createElement('b'), rest = document.createElement('i');
  const when = at === 0 ? 'Before the first step' : me.at === null ? (data.active ? 'Now' : data.epochs.at(-1) > data.total - 1e-6 ? 'At the end' : 'When stopped') : `Epoch ${fixed(data.epochs[at], 1)}`;
  bold.textContent = when + (at && me.at === null ? `, epoch ${fixed(data.epochs[at], 1)} of ${data.total}` : me.at === null || !at ? '' : ` of ${data.total}`);
  rest.textContent = chosen
    ? ` · ${chosen.name}: ${fixed(chosen.live[at], 0)} of ${fixed(chosen.filters, 0)} filters` + (chosen.stripes ? `, ${percent(chosen.stripes[at])} of their stripes` : '') + (chosen.prunable ? '' : ', not pruned')
    : ` · ${fixed(stay, 0)} of ${fixed(filters, 0)} filters · ${count(data.macs[at])} MACs, ${percent(data.macs[at] / data.whole)}`;
  me.when.replaceChildren(bold, rest);
}

function key(me) {
  const { data, box } = me, place = box.querySelector('.key'), entries = [['core', 'kept']];
  if (data.layers.some((b) => b.stripes)) entries.push(['pale', 'stripes pruned in kept filters']);
  entries.push(['gone', 'pruned']);
  if (data.layers.some((b) => !b.prunable)) entries.push(['whole', 'layer not pruned']);
  const height = `bars: layers in order; height: ${uneven(data) ? 'square root of the ' : ''}number of filters`;
  if (place.dataset.key === entries.join() + height) return;
  place.dataset.key = entries.join() + height;
  place.replaceChildren(...entries.map(([kind, word]) => {
    const one = document.createElement('span'), sign = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    put(put(sign, 'g', { class: kind }), 'rect', { width: 12, height: 10, rx: 2, class: kind === 'whole' ? 'core' : kind });
    one.append(sign, word);
    return one;
  }), Object.assign(document.createElement('span'), { textContent: height }));
}

export default function ({ parentElement, data, setTriggerValue }) {
  const box = parentElement.querySelector('.thin'), svg = box.querySelector('.story'), net = box.querySelector('.net'), say = parentElement.querySelector('.say');
  const me = (box.me ??= { at: null, row: null, playing: 0 }), play = box.querySelector('.play');
  Object.assign(me, { data, box, svg, net, base: svg.querySelector('.base'), over: svg.querySelector('.over'), when: box.querySelector('.when') });
  if (me.at !== null && me.at >= data.epochs.length) me.at = null;
  if (me.row !== null && me.row >= data.layers.length) me.row = null;
  me.draw = () => { me.width = Math.max(260, box.clientWidth); key(me); paint(me); show(me); };
  me.label = () => { play.textContent = me.playing ? 'Stop' : 'Replay'; play.hidden = data.epochs.length < 4; };
  const under = (event) => {
    const from = svg.getBoundingClientRect(), x = event.clientX - from.left, y = event.clientY - from.top;
    const r = me.ribbons, row = Math.floor((y - r.y) / r.each), over = y < r.y + r.h + FOOT;
    const p = over ? r : me.panels.find((q) => x > q.x - LEFT && x < q.x + q.w + GAP / 2 && y > q.y - HEAD && y < q.y + q.h + FOOT) ?? r;
    const epoch = ((x - p.x) / p.w) * data.total, inside = x >= p.x - 4;
    const nearest = data.epochs.reduce((a, e, i) => (Math.abs(e - epoch) < Math.abs(data.epochs[a] - epoch) ? i : a), 0);
    return [inside ? nearest : null, over ? me.rows[row]?.i ?? null : me.row];
  };
  const go = (at, row) => { if (me.playing) replay(me); if (at !== me.at || row !== me.row) { me.at = at; me.row = row; show(me); } };
  svg.onpointermove = svg.onpointerdown = (event) => go(...under(event));
  svg.onpointerleave = (event) => { if (event.pointerType === 'mouse') go(null, null); };
  svg.onblur = () => go(null, null);
  svg.onkeydown = (event) => {
    const last = data.epochs.length - 1, at = now(me), rows = me.rows.map((r) => r.i), row = rows.indexOf(me.row);
    const to = { ArrowLeft: [Math.max(0, at - 1), me.row], ArrowRight: [Math.min(last, at + 1), me.row], Home: [0, me.row], End: [last, me.row], Escape: [null, null],
      ArrowDown: [me.at, rows[Math.min(rows.length - 1, row + 1)] ?? null], ArrowUp: [me.at, row < 1 ? null : rows[row - 1]] }[event.key];
    if (!to) return;
    event.preventDefault();
    go(...to);
    say.textContent = me.when.textContent;
  };
  play.onclick = () => replay(me);
  box.querySelector('.hint').textContent = data.hint;
  box.dataset.moments = data.epochs.length - 1;
  me.label();
  // Without a clock, a tab refreshes when it comes back into view: another may have started a run.
  document.removeEventListener('visibilitychange', me.back);
  me.back = () => { if (document.visibilityState === 'visible' && data.still) setTriggerValue('look', Date.now()); };
  document.addEventListener('visibilitychange', me.back);
  me.seen?.disconnect();
  me.seen = new ResizeObserver(() => box.clientWidth !== me.wide && ((me.wide = box.clientWidth), me.draw()));
  me.seen.observe(box);
  me.draw();
  if (me.at === null && me.row === null && say.textContent !== data.alt) say.textContent = data.alt;
  return () => { cancelAnimationFrame(me.playing); me.seen.disconnect(); document.removeEventListener('visibilitychange', me.back); };
}
