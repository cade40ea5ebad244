// The map of one layer's filters: hover shows the kernels, lasso, click, Shift and keys choose.
// Python is the truth: `data.selected` counts whenever `data.rev` has changed; a gesture answers
// with one message, the sorted chosen filters and the time, so that no two messages are equal. Everything else stays in the browser.
const SIGNS = ['circle', 'square', 'triangle', 'diamond'];

function theme(el) {
  const style = getComputedStyle(el), of = (name, other) => style.getPropertyValue(name).trim() || other;
  const listed = of('--st-chart-categorical-colors', '');
  const colors = listed.match(/#[0-9a-f]{3,8}|rgba?\([^)]*\)/gi);
  const text = of('--st-text-color', '#22262a'), ground = of('--st-background-color', '#ffffff');
  return {
    text, ground, accent: of('--st-primary-color', '#0b6e74'), border: of('--st-border-color', '#dddddd'),
    colors: colors?.length ? colors : ['#0b6e74', '#c2611f', '#5b56b0', '#b23a6b', '#8c7410', '#4d8a2f', '#3c78c0', '#80604f'],
  };
}

function trace(pen, sign, x, y, r) {
  pen.beginPath();
  if (sign === 'circle') pen.arc(x, y, r, 0, 7);
  if (sign === 'square') pen.rect(x - r * .88, y - r * .88, r * 1.76, r * 1.76);
  if (sign === 'triangle') { pen.moveTo(x, y - r * 1.2); pen.lineTo(x + r * 1.1, y + r * .8); pen.lineTo(x - r * 1.1, y + r * .8); pen.closePath(); }
  if (sign === 'diamond') { pen.moveTo(x, y - r * 1.25); pen.lineTo(x + r * 1.25, y); pen.lineTo(x, y + r * 1.25); pen.lineTo(x - r * 1.25, y); pen.closePath(); }
}

function inside(x, y, polygon) {
  let is = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) is = !is;
  }
  return is;
}

// A filter's kernels, side by side, in the colours of figures.pictures.glass: hue = sign, opacity = size.
function paintKernels(canvas, data, pixels, unit) {
  const {kernels, rows, cols} = data, across = kernels <= 3 ? kernels : Math.ceil(Math.sqrt(kernels)), down = Math.ceil(kernels / across);
  const zoom = Math.max(2, Math.min(14, Math.floor(150 / (across * (cols + 1))))), gap = zoom > 5 ? 4 : 2;
  const w = cols * zoom, h = rows * zoom;
  canvas.width = across * (w + gap) - gap; canvas.height = down * (h + gap) - gap;
  const pen = canvas.getContext('2d');
  for (let k = 0; k < kernels; k++) {
    const x0 = (k % across) * (w + gap), y0 = Math.floor(k / across) * (h + gap);
    for (let p = 0; p < rows * cols; p++) {
      const raw = pixels[(unit * kernels + k) * rows * cols + p], value = (raw - 128) / 127, size = Math.min(1, Math.abs(value));
      if (!raw) continue;  // 0: nothing is there
      pen.fillStyle = size < .12 ? 'rgba(128,128,128,.118)' : `rgba(${value < 0 ? '205,96,36' : '14,138,146'},${size})`;
      pen.fillRect(x0 + (p % cols) * zoom, y0 + Math.floor(p / cols) * zoom, zoom, zoom);
    }
  }
}

export default function ({parentElement, data, setStateValue}) {
  const box = parentElement.querySelector('.map'), frame = box.querySelector('.frame'), cv = box.querySelector('canvas.points');
  const card = box.querySelector('.card'), legend = box.querySelector('.legend'), signs = box.querySelector('.signs'), say = box.querySelector('.say');
  const me = box.me ??= {sel: new Set(), view: null, hot: -1, lasso: null, pan: null};
  const pen = cv.getContext('2d'), n = data.x.length, look = theme(box);
  if (me.layer !== data.layer) { me.layer = data.layer; me.view = null; me.hot = -1; me.sel = new Set(); card.hidden = true; }
  if (me.packed !== data.pixels) { me.packed = data.pixels; me.px = Uint8Array.from(atob(data.pixels), c => c.charCodeAt(0)); }
  if (me.rev !== data.rev) { me.rev = data.rev; me.sel = new Set(data.selected); }
  const representatives = new Set(data.representatives), pruned = new Set(data.pruned);
  const color = c => (c < 0 ? look.border : look.colors[c % look.colors.length]);
  const sign = c => SIGNS[Math.floor(Math.max(c, 0) / look.colors.length) % SIGNS.length];

  const xs = [Math.min(...data.x), Math.max(...data.x)], ys = [Math.min(...data.y), Math.max(...data.y)];
  const size = () => [cv.clientWidth || 600, data.height];
  const fit = () => {
    const [w, h] = size(), pad = 26, dx = xs[1] - xs[0] || 1, dy = ys[1] - ys[0] || 1;
    const k = Math.min((w - 2 * pad) / dx, (h - 2 * pad) / dy);
    return {k, tx: w / 2 - k * (xs[0] + xs[1]) / 2, ty: h / 2 + k * (ys[0] + ys[1]) / 2};
  };
  const view = () => me.view ?? fit();
  const P = i => { const v = view(); return [v.tx + v.k * data.x[i], v.ty - v.k * data.y[i]]; };
  const near = (x, y, most = 14) => {
    let best = -1, far = most;
    for (let i = 0; i < n; i++) { const [px, py] = P(i), d = Math.hypot(px - x, py - y); if (d < far) { far = d; best = i; } }
    return best;
  };

  const point = (i, r) => {
    const [x, y] = P(i), c = data.cluster[i], chosen = me.sel.has(i), mate = me.hot >= 0 && c >= 0 && c === data.cluster[me.hot];
    pen.globalAlpha = !me.sel.size || chosen ? 1 : mate ? .85 : .45;
    trace(pen, sign(c), x, y, r);
    if (pruned.has(i)) { pen.fillStyle = look.ground; pen.fill(); pen.strokeStyle = color(c); pen.lineWidth = 2; pen.stroke(); }
    else { pen.fillStyle = color(c); pen.fill(); }
    if (representatives.has(i)) { trace(pen, sign(c), x, y, r + 3.5); pen.strokeStyle = color(c); pen.lineWidth = 1.5; pen.stroke(); }
    if (chosen || i === me.hot) { trace(pen, sign(c), x, y, r + (representatives.has(i) ? 6 : 3)); pen.strokeStyle = look.text; pen.lineWidth = i === me.hot ? 2.5 : 1.6; pen.stroke(); }
    pen.globalAlpha = 1;
  };
  const draw = () => {
    const [w, h] = size(), dpr = window.devicePixelRatio || 1;
    if (cv.width !== Math.round(w * dpr) || cv.height !== Math.round(h * dpr)) { cv.width = Math.round(w * dpr); cv.height = Math.round(h * dpr); cv.style.height = h + 'px'; }
    pen.setTransform(dpr, 0, 0, dpr, 0, 0); pen.clearRect(0, 0, w, h);
    const r = n > 600 ? 3.5 : n > 150 ? 5 : 6.5, last = i => me.sel.has(i) + 2 * (i === me.hot);
    [...Array(n).keys()].sort((a, b) => last(a) - last(b)).forEach(i => point(i, r));
    if (me.lasso?.length > 1) {
      pen.beginPath(); me.lasso.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y))); pen.closePath();
      pen.strokeStyle = look.accent; pen.lineWidth = 1.5; pen.setLineDash([5, 4]); pen.stroke(); pen.setLineDash([]);
      pen.globalAlpha = .1; pen.fillStyle = look.accent; pen.fill(); pen.globalAlpha = 1;
    }
    box.dataset.group = data.title; box.dataset.sel = [...me.sel].sort((a, b) => a - b).join(); box.dataset.hot = me.hot;
    legend.querySelectorAll('button').forEach(b => b.classList.toggle('on', me.sel.size > 0 && members(+b.dataset.c).every(i => me.sel.has(i))));
  };
  const members = c => data.cluster.flatMap((own, i) => (own === c ? [i] : []));
  const words = i => `Filter ${i}, ` + (data.cluster[i] < 0 ? 'dead' : `cluster ${data.cluster[i]}`);
  const show = i => {
    me.hot = i; card.hidden = i < 0;
    if (i >= 0) {
      card.querySelector('b').textContent = words(i); card.querySelector('span').textContent = data.note[i];
      if (data.kernels) paintKernels(card.querySelector('canvas'), data, me.px, i);
      const [x, y] = P(i), [w] = size(), cw = card.offsetWidth, ch = card.offsetHeight;
      card.style.left = Math.max(0, x + 16 + cw > w ? x - 16 - cw : x + 16) + 'px';
      card.style.top = Math.max(0, Math.min(y - ch / 2, data.height - ch)) + 'px';
    }
    draw();
  };
  const tell = () => {
    draw(); say.textContent = `${me.sel.size.toLocaleString('en')} of ${n.toLocaleString('en')} filters selected`;
    setStateValue('selected', {units: [...me.sel].sort((a, b) => a - b), when: Date.now()});
  };

  cv.onpointerdown = e => {
    cv.focus({preventScroll: true}); cv.setPointerCapture(e.pointerId);
    if (e.button === 1 || e.altKey) { me.view = view(); me.pan = [e.offsetX, e.offsetY]; } else me.lasso = [[e.offsetX, e.offsetY]];
  };
  cv.onpointermove = e => {
    if (me.pan) { me.view = {...me.view, tx: me.view.tx + e.offsetX - me.pan[0], ty: me.view.ty + e.offsetY - me.pan[1]}; me.pan = [e.offsetX, e.offsetY]; draw(); }
    else if (me.lasso) { me.lasso.push([e.offsetX, e.offsetY]); card.hidden = true; draw(); }
    else { const i = near(e.offsetX, e.offsetY); if (i !== me.hot) show(i); }
  };
  cv.onpointerup = e => {
    const line = me.lasso; me.lasso = null;
    if (me.pan) { me.pan = null; return; }
    if (!line) return;
    const far = line.some(([x, y]) => Math.hypot(x - line[0][0], y - line[0][1]) > 5), add = e.shiftKey || e.ctrlKey || e.metaKey;
    if (far) {
      const hit = [...Array(n).keys()].filter(i => inside(...P(i), line));
      me.sel = new Set(add ? [...me.sel, ...hit] : hit);
    } else {
      const i = near(e.offsetX, e.offsetY);
      if (i < 0) { if (!me.sel.size) return draw(); me.sel.clear(); }
      else if (add) me.sel.has(i) ? me.sel.delete(i) : me.sel.add(i);
      else me.sel = new Set([i]);
    }
    tell();
  };
  cv.onpointercancel = () => { me.lasso = me.pan = null; draw(); };
  cv.onpointerleave = () => me.lasso || show(-1);
  const zoom = (by, x, y) => { const v = view(); me.view = {k: v.k * by, tx: x - (x - v.tx) * by, ty: y - (y - v.ty) * by}; card.hidden = true; draw(); };
  cv.onwheel = e => { if (!cv.matches(':focus')) return; e.preventDefault(); zoom(e.deltaY < 0 ? 1.15 : 1 / 1.15, e.offsetX, e.offsetY); };
  cv.ondblclick = () => { me.view = null; draw(); };
  const step = (dx, dy) => {                                     // the nearest point that way
    if (me.hot < 0) { const [w, h] = size(); return near(w / 2, h / 2, Infinity); }
    const [x, y] = P(me.hot); let best = me.hot, least = Infinity;
    for (let i = 0; i < n; i++) {
      const [px, py] = P(i), along = (px - x) * dx + (py - y) * dy, aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (along > .5 && along + 2 * aside < least) { least = along + 2 * aside; best = i; }
    }
    return best;
  };
  cv.onkeydown = e => {
    const ways = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}, [w, h] = size();
    if (ways[e.key]) { show(step(...ways[e.key])); say.textContent = `${words(me.hot)}. ${data.note[me.hot]}`; }
    else if ((e.key === 'Enter' || e.key === ' ') && me.hot >= 0) { if (e.key === 'Enter' && !e.shiftKey) me.sel = new Set([me.hot]); else me.sel.has(me.hot) ? me.sel.delete(me.hot) : me.sel.add(me.hot); tell(); }
    else if (e.key === 'Escape') { me.lasso = null; if (me.sel.size) { me.sel.clear(); tell(); } else show(-1); }
    else if (e.key === '+' || e.key === '=') zoom(1.25, w / 2, h / 2);
    else if (e.key === '-') zoom(.8, w / 2, h / 2);
    else if (e.key === '0') { me.view = null; draw(); }
    else return;
    e.preventDefault(); e.stopPropagation();
  };

  const icon = (shape, fill, stroke, ring) => {
    const d = {circle: '<circle cx="7" cy="7" r="4"/>', square: '<rect x="3.2" y="3.2" width="7.6" height="7.6"/>', triangle: '<path d="M7 2.4 11.4 10.6H2.6Z"/>', diamond: '<path d="M7 1.8 12.2 7 7 12.2 1.8 7Z"/>'}[shape];
    const held = document.createElement('template');
    held.innerHTML = `<svg width="14" height="14" aria-hidden="true">${d}${ring ? '<circle cx="7" cy="7" r="6.2" fill="none"/>' : ''}</svg>`;
    const svg = held.content.firstChild; svg.setAttribute('fill', fill); svg.setAttribute('stroke', stroke); svg.setAttribute('stroke-width', '1.5');
    return svg;
  };
  const entry = c => {
    const b = document.createElement('button'), own = members(c);
    b.type = 'button'; b.dataset.c = c; b.title = c < 0 ? 'Filters whose weights are all close to 0' : `Select the ${own.length} filters of cluster ${c}`;
    b.append(icon(sign(c), color(c), color(c)), c < 0 ? `dead (${own.length})` : `${c} (${own.length})`);
    b.onclick = e => { const add = e.shiftKey || e.ctrlKey || e.metaKey; me.sel = new Set(add ? [...me.sel, ...own] : own); tell(); };
    return b;
  };
  const clusters = [...new Set(data.cluster)].sort((a, b) => a - b);
  legend.replaceChildren('Clusters', ...clusters.slice(0, 24).map(entry), ...(clusters.length > 24 ? [`and ${clusters.length - 24} more`] : []));
  const sample = (text, ...shape) => { const s = document.createElement('span'); s.append(icon(...shape), text); return s; };
  signs.replaceChildren(...(data.marks ? [sample('kept', 'circle', look.text, look.text), sample('pruned', 'circle', 'none', look.text), ...(data.representatives.length ? [sample('represents its cluster', 'circle', look.text, look.text, true)] : [])] : []));
  cv.setAttribute('aria-label', `Map of the ${n.toLocaleString('en')} filters of ${data.title}. Arrow keys move between filters, Enter selects one, Space adds one, Escape clears the selection, plus and minus zoom. The table has the same information.`);

  me.draw = draw; me.seen?.disconnect(); me.seen = new ResizeObserver(() => me.draw()); me.seen.observe(frame);
  if (me.hot >= n) me.hot = -1;
  box.dataset.calls = (+box.dataset.calls || 0) + 1; draw();
  return () => me.seen.disconnect();
}
