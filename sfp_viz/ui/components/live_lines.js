// Curves that grow while a training runs; redrawn in place, so nothing flickers and the pointer stays.
// data = {x: [...], last, panels: [{title, unit, digits, zero, series: [{name, values, aside}]}], alt}
export default function ({ parentElement, data }) {
  const box = parentElement.querySelector('.lines');
  const svg = box.querySelector('svg');
  const read = box.querySelector('.read');
  const say = parentElement.querySelector('.say');
  const me = (box.me ??= { at: -1 });
  me.data = data;
  const left = 46, right = 76, height = 128, head = 26, gap = 18;

  const make = (kind, attributes, text) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', kind);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    svg.append(element);
    return element;
  };
  const ticks = (low, high) => {
    const rough = (high - low) / 3 || 1;
    const size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough);
    const found = [];
    for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + 1e-9 * step; t += step) found.push(t);
    return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  };
  const range = (panel) => {
    const all = panel.series.flatMap((s) => s.values).filter((v) => v !== null && isFinite(v));
    if (!all.length) return [0, 1];
    let low = panel.zero ? 0 : Math.min(...all), high = Math.max(...all);
    if (high - low < 1e-9) high = low + 1;
    const pad = (high - low) * 0.06;
    return [panel.zero ? 0 : low - pad, high + pad];
  };

  me.draw = () => {
    const { x, panels, last, alt } = me.data;
    const width = Math.max(240, box.clientWidth);
    const inner = width - left - right;
    const first = x.length ? Math.min(x[0], 1) : 0;
    const X = (v) => left + (inner * (v - first)) / Math.max(1, last - first);
    me.X = X;
    svg.replaceChildren();
    const total = panels.length * (height + head + gap) + 8;
    svg.setAttribute('height', total);
    svg.setAttribute('viewBox', `0 0 ${width} ${total}`);
    svg.setAttribute('aria-label', alt);
    panels.forEach((panel, index) => {
      const top = index * (height + head + gap) + head;
      const [low, high] = range(panel);
      const Y = (v) => top + height * (1 - (v - low) / (high - low));
      make('text', { x: 0, y: top - 11, class: 'title' }, panel.title + (panel.unit ? `, ${panel.unit}` : ''));
      if (!panel.series.some((s) => s.values.some((v) => v !== null))) {
        make('line', { x1: left, x2: left + inner, y1: top + height, y2: top + height, class: 'grid' });
        make('text', { x: left, y: top + height / 2 }, 'after the first epoch');
        return;
      }
      const scale = ticks(low, high);
      for (const t of scale.found) {
        make('line', { x1: left, x2: left + inner, y1: Y(t), y2: Y(t), class: 'grid' });
        make('text', { x: left - 8, y: Y(t) + 4, 'text-anchor': 'end' }, t.toFixed(scale.digits));
      }
      const ends = [];
      for (const series of panel.series) {
        const kind = series.aside ? ' aside' : '';
        const points = x.map((v, i) => [X(v), series.values[i]]).filter((p) => p[1] !== null && isFinite(p[1]));
        if (!points.length) continue;
        make('polyline', { points: points.map(([a, b]) => `${a.toFixed(1)},${Y(b).toFixed(1)}`).join(' '), class: 'line' + kind });
        const [a, b] = points.at(-1);
        make('circle', { cx: a, cy: Y(b), r: 3, class: 'dot' + kind });
        ends.push({ name: series.name, x: a, y: Y(b) + 4 });
      }
      ends.sort((p, q) => p.y - q.y);
      ends.forEach((end, i) => {
        if (i && end.y - ends[i - 1].y < 14) end.y = ends[i - 1].y + 14;
        make('text', { x: end.x + 8, y: end.y }, end.name);
      });
      if (index === panels.length - 1) {
        make('text', { x: left, y: top + height + 16 }, `epoch ${first}`);
        make('text', { x: left + inner, y: top + height + 16, 'text-anchor': 'end' }, String(last));
      }
    });
    if (me.at >= 0 && me.at < x.length) {
      make('line', { x1: X(x[me.at]), x2: X(x[me.at]), y1: head, y2: total - gap - 8, class: 'cross' });
    }
  };
  const show = (at) => {
    me.at = at;
    me.draw();
    read.hidden = at < 0;
    if (at < 0) return;
    const { x, panels } = me.data;
    read.replaceChildren();
    const add = (text) => (read.appendChild(document.createElement('div')).textContent = text);
    add(`epoch ${x[at]}`);
    for (const panel of panels)
      for (const series of panel.series)
        if (series.values[at] !== null) add(`${series.name} ${series.values[at].toFixed(panel.digits)} ${panel.unit}`);
    const spot = me.X(x[at]);
    const flip = spot + 12 + read.offsetWidth > box.clientWidth;
    read.style.left = (flip ? spot - 12 - read.offsetWidth : spot + 12) + 'px';
    read.style.top = '24px';
  };
  svg.onpointermove = (event) => {
    const { x } = me.data;
    if (!x.length) return;
    const from = svg.getBoundingClientRect().left;
    const near = x.map((v, i) => [Math.abs(me.X(v) - (event.clientX - from)), i]).sort((a, b) => a[0] - b[0])[0][1];
    if (near !== me.at) show(near);
  };
  svg.onpointerleave = () => show(-1);
  me.seen?.disconnect();
  me.seen = new ResizeObserver(() => me.draw());
  me.seen.observe(box);
  if (me.at >= 0 && !read.hidden) show(me.at); else me.draw();
  if (say.textContent !== data.alt) say.textContent = data.alt;
  return () => me.seen.disconnect();
}
