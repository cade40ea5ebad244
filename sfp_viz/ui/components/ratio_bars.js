// One bar a group: the filled part is what is kept. Drag the edge, or use the arrow keys on it.
// data = {rows: [{name, label, filters, repeats, kept, suggested, unrounded, least, most, fixed, held, tags,
//   why, ghosts: [[label, reason]], curve: [[kept, lost]], others: [[name, words, kept]]}], step,
//   chosen, rev, most, unit, ghosts, hidden: [name], shapes: {name: svg}}
// Python holds the widths: what is drawn while dragging is a draft, sent once at the end.
const HIGH = 22; // pixels of a curve under its bar

const make = (kind, tag, parent) => {
  const element = document.createElement(tag);
  element.className = kind;
  parent.append(element);
  return element;
};

const lost = (curve, kept) => {
  const after = curve.findIndex(([at]) => at >= kept);
  if (after < 0) return curve.at(-1)[1];
  if (after === 0) return curve[0][1];
  const [[x0, y0], [x1, y1]] = [curve[after - 1], curve[after]];
  return y0 + ((kept - x0) / Math.max(x1 - x0, 1e-9)) * (y1 - y0);
};

const widths = (row, kept) => {
  const before = row.filters * row.repeats;
  return kept === row.filters ? before.toLocaleString('en') : `${before.toLocaleString('en')} → ${(kept * row.repeats).toLocaleString('en')}`;
};

// Marks of what other allocation strategies would keep; marks at the same place are stacked.
const marks = (part, row, data) => {
  const shown = row.fixed || row.held ? [] : row.others.filter(([name]) => !data.hidden.includes(name));
  if (part.seen === (part.seen = JSON.stringify([shown, row.filters]))) return;
  part.others.replaceChildren();
  shown.forEach(([name, , kept], place) => {
    const mark = make('other', 'div', part.others);
    mark.dataset.strategy = name;
    mark.innerHTML = data.shapes[name] ?? '';
    const near = shown.slice(0, place).filter(([, , at]) => Math.abs(at - kept) < 0.02 * row.filters).length;
    mark.style.left = (100 * kept) / row.filters + '%';
    mark.style.top = 9 - 6 * near + 'px';
  });
};

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector('.bars');
  const say = parentElement.querySelector('.say');
  const me = (root.me ??= { parts: new Map(), open: new Map(), drag: null, kept: {} });
  me.set = setStateValue;
  me.data = data;
  me.rows = new Map(data.rows.map((row) => [row.name, row]));
  if (!me.drag && me.rev !== data.rev) {
    me.rev = data.rev;
    const draft = me.pressed && me.kept[me.pressed]; // keys that are still pressed override a response
    me.kept = Object.fromEntries(data.rows.map((row) => [row.name, row.kept]));
    if (me.pressed in me.kept) me.kept[me.pressed] = draft;
  }
  root.style.setProperty('--most', data.tall ? `${data.tall}px` : 'none');

  const snapped = (row, kept) => {
    const step = Math.min(me.data.step, row.filters);
    const near = kept >= row.filters - step / 2 ? row.filters : Math.round(kept / step) * step;
    return Math.min(Math.max(near, Math.min(step, row.filters), row.least || 1), row.most || row.filters);
  };
  const high = (value) => Math.min(1, Math.max(0, value / me.data.most)) * (HIGH - 3) + 1.5;

  const paint = (row) => {
    const part = me.parts.get(row.name);
    const kept = row.fixed ? row.filters : (me.kept[row.name] ?? row.kept);
    const share = (100 * kept) / row.filters;
    part.row.classList.toggle('fixed', row.fixed);
    part.row.classList.toggle('held', row.held);
    part.row.classList.toggle('chosen', row.name === me.data.chosen);
    part.row.classList.toggle('curved', row.curve.length > 0);
    part.row.classList.toggle('dragging', me.drag === row.name);
    part.title.title = row.why;
    part.tag.textContent = row.tags;
    part.bar.style.width = part.edge.style.left = share + '%';
    part.mark.style.left = (100 * row.suggested) / row.filters + '%';
    for (const [tick, at] of [[part.least, row.least], [part.most, row.most], [part.unrounded, row.unrounded ?? 0]]) {
      tick.hidden = !at;
      tick.style.left = (100 * at) / row.filters + '%';
    }
    const others = row.others.map(([, words, at]) => `${words} ${at.toLocaleString('en')}`);
    const would = others.length ? `At the same target, other strategies keep: ${others.join(', ')}.` : '';
    part.track.title = [row.note, would].filter(Boolean).join('\n');
    marks(part, row, me.data);
    if (me.look === row.name) look(row);
    part.kept.textContent = widths(row, kept);
    part.share.textContent = row.fixed ? 'not pruned' : kept === row.filters ? '0 %' : `−${100 - share < 1 ? (100 - share).toFixed(1) : Math.round(100 - share)} %`;
    const value = row.curve.length ? lost(row.curve, kept) : 0;
    part.loss.textContent = row.curve.length && !row.fixed ? `${Math.max(0, value).toFixed(1)} ${me.data.unit}` : '';
    part.curve.hidden = !row.curve.length;
    if (row.curve.length) {
      part.dot.style.left = share + '%';
      part.dot.style.top = high(value) + 'px';
      const points = row.curve.map(([at, y]) => `${(100 * at) / row.filters} ${high(y)}`);
      part.path.setAttribute('d', 'M' + points.join('L'));
      part.area.setAttribute('d', `M${points[0].split(' ')[0]} 1.5L${points.join('L')}L100 1.5Z`);
    }
    const open = (me.open.get(row.name) ?? me.data.ghosts) || me.drag === row.name || row.name === me.data.chosen;
    if (part.more) {
      part.more.setAttribute('aria-expanded', open);
      part.more.title = open ? 'Tied layers are shown below' : 'Show tied layers';
    }
    for (const ghost of part.ghosts) {
      ghost.row.hidden = !open;
      ghost.row.classList.toggle('moving', me.drag === row.name);
      ghost.shade.style.width = share + '%';
      ghost.kept.textContent = widths(row, kept);
    }
    part.edge.setAttribute('aria-valuemin', Math.max(1, row.least));
    part.edge.setAttribute('aria-valuemax', row.most || row.filters);
    part.edge.setAttribute('aria-valuenow', kept);
    const held = row.held ? ', set manually' : '';
    const least = (row.least ? `, at least ${row.least}` : '') + (row.most ? `, at most ${row.most}` : '');
    part.edge.setAttribute('aria-valuetext', `keeps ${kept.toLocaleString('en')} of ${row.filters.toLocaleString('en')} filters, suggested ${row.suggested.toLocaleString('en')}${held}${least}${others.map((other) => `, ${other}`).join('')}`);
  };

  const look = (row) => {
    me.look = row && row.name;
    const kept = row && (row.fixed ? row.filters : (me.kept[row.name] ?? row.kept));
    const detail = row && { label: row.label, filters: row.filters, kept, others: row.others.map(([name, , at]) => [name, at]) };
    document.dispatchEvent(new CustomEvent('sfp-look', { detail }));
  };

  const commit = (name) => {
    const row = me.rows.get(name);
    me.drag = me.pressed = null;
    paint(row);
    if (me.kept[name] === row.kept) return;
    say.textContent = `${row.label}: keeps ${me.kept[name].toLocaleString('en')} of ${row.filters.toLocaleString('en')} filters`;
    me.set('edit', { group: name, kept: me.kept[name], n: Date.now() });
  };

  const drag = (name, track, edge) => {
    track.onpointerdown = (event) => {
      if (me.rows.get(name).fixed || event.button !== 0) return;
      track.setPointerCapture(event.pointerId);
      edge.focus({ preventScroll: true });
      me.before = me.kept[name];
      me.drag = name;
      track.onpointermove(event);
    };
    track.onpointermove = (event) => {
      if (me.drag !== name) return;
      const box = track.getBoundingClientRect();
      const row = me.rows.get(name);
      me.kept[name] = snapped(row, ((event.clientX - box.left) / box.width) * row.filters);
      paint(row);
    };
    track.onpointerup = () => me.drag === name && commit(name);
    const back = () => {
      if (me.drag !== name) return;
      me.kept[name] = me.before;
      me.drag = null;
      paint(me.rows.get(name));
    };
    track.onpointercancel = back;
    edge.onkeydown = (event) => {
      const row = me.rows.get(name);
      if (event.key === 'Escape') return back();
      const step = me.data.step;
      const kept = me.kept[name];
      const to = {
        ArrowRight: kept + step, ArrowUp: kept + step, ArrowLeft: kept - step, ArrowDown: kept - step,
        PageUp: kept + row.filters / 10, PageDown: kept - row.filters / 10, Home: 1, End: row.filters,
      }[event.key];
      if (to === undefined || row.fixed) return;
      event.preventDefault();
      me.kept[name] = snapped(row, to);
      me.pressed = name;
      paint(row);
      clearTimeout(me.timer);
      me.timer = setTimeout(() => commit(name), 250); // key repeat: one message at the end
    };
  };

  const build = (bar) => {
    const name = bar.name;
    const row = make('row', 'div', root);
    for (const come of ['pointerenter', 'focusin']) row.addEventListener(come, () => look(me.rows.get(name)));
    for (const go of ['pointerleave', 'focusout']) row.addEventListener(go, () => me.drag !== name && look(null));
    const title = make('title', 'div', row);
    const label = make('name', 'button', title);
    label.textContent = label.title = bar.label;
    label.setAttribute('aria-label', `${bar.label}: show explanation`);
    label.onclick = () => me.set('pick', { group: name, n: Date.now() });
    const more = bar.ghosts.length ? make('more', 'button', title) : null;
    if (more) {
      more.textContent = `+${bar.ghosts.length}`;
      more.setAttribute('aria-label', `${bar.ghosts.length} layers are tied to ${bar.label}`);
      more.onclick = () => {
        me.open.set(name, !(me.open.get(name) ?? me.data.ghosts));
        paint(me.rows.get(name));
      };
    }
    const tag = make('tag', 'span', title);
    const middle = make('middle', 'div', row);
    const track = make('track', 'div', middle);
    const fill = make('bar', 'div', track);
    const [mark, least, most, unrounded] = ['mark', 'least', 'most', 'unrounded'].map((kind) => make(kind, 'div', track));
    const others = make('others', 'div', track);
    const edge = make('edge', 'button', track);
    edge.setAttribute('role', 'slider');
    edge.setAttribute('aria-label', `Filters kept in ${bar.label}`);
    const curve = make('curve', 'div', middle);
    curve.innerHTML = `<svg viewBox="0 0 100 ${HIGH}" preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2="100" y1="1.5" y2="1.5"/><path class="area"/><path class="line"/></svg>`;
    const dot = make('dot', 'div', curve);
    const kept = make('kept', 'span', row);
    const cut = make('cut', 'span', row);
    const share = make('share', 'span', cut);
    const loss = make('loss', 'span', cut);
    const ghosts = bar.ghosts.map(([layer, reason]) => {
      const ghost = make('ghost', 'div', root);
      const named = make('name', 'span', ghost);
      named.textContent = named.title = layer;
      const outline = make('outline', 'div', ghost);
      const shade = make('shade', 'div', outline);
      const words = make('reason', 'span', outline);
      words.textContent = words.title = reason;
      const width = make('kept', 'span', ghost);
      make('cut', 'span', ghost);
      return { row: ghost, shade, kept: width };
    });
    drag(name, track, edge);
    const path = curve.querySelector('.line');
    const area = curve.querySelector('.area');
    me.parts.set(name, { row, title, tag, more, track, bar: fill, mark, least, most, unrounded, others, edge, curve, path, area, dot, kept, share, loss, ghosts });
  };

  const names = JSON.stringify(data.rows.map((row) => [row.name, row.label, row.ghosts]));
  if (names !== me.names) {
    me.names = names;
    root.replaceChildren();
    me.parts.clear();
    me.open.clear();
    data.rows.forEach(build);
  }
  data.rows.forEach(paint);
  const below = () => root.classList.toggle('below', root.scrollTop + root.clientHeight < root.scrollHeight - 4);
  root.onscroll = below; // the list fades out where it continues
  me.seen?.disconnect();
  me.seen = new ResizeObserver(below);
  me.seen.observe(root);
  below();
  return () => {
    clearTimeout(me.timer);
    me.seen.disconnect();
  };
}
