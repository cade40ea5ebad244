// One bar a group: the filled part is what is kept. Drag the edge, or use the arrow keys on it.
// data = {rows: [{name, label, filters, kept, suggested, fixed, tied, why}], step, chosen, rev}
// Python is the truth: what is drawn here while dragging is a draft, sent once at the end.
export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector('.bars');
  const say = parentElement.querySelector('.say');
  const me = (root.me ??= { rows: new Map(), drag: null, kept: {}, sent: 0 });
  me.set = setStateValue;
  me.data = data;
  if (!me.drag && me.rev !== data.rev) {
    me.rev = data.rev;
    const draft = me.pressed && me.kept[me.pressed]; // keys still being pressed win over an answer
    me.kept = Object.fromEntries(data.rows.map((row) => [row.name, row.kept]));
    if (me.pressed in me.kept) me.kept[me.pressed] = draft;
  }
  const now = (name) => me.data.rows.find((row) => row.name === name);

  const snapped = (row, kept) => {
    const step = Math.min(me.data.step, row.filters);
    const near = kept >= row.filters - step / 2 ? row.filters : Math.round(kept / step) * step;
    return Math.min(Math.max(near, Math.min(step, row.filters)), row.filters);
  };

  const paint = () => {
    for (const row of me.data.rows) {
      const part = me.rows.get(row.name);
      const kept = row.fixed ? row.filters : (me.kept[row.name] ?? row.kept);
      const share = (100 * kept) / row.filters;
      part.row.classList.toggle('fixed', row.fixed);
      part.row.classList.toggle('chosen', row.name === me.data.chosen);
      part.row.classList.toggle('dragging', me.drag === row.name);
      part.row.title = row.why;
      part.bar.style.width = share + '%';
      part.edge.style.left = share + '%';
      part.mark.style.left = (100 * row.suggested) / row.filters + '%';
      part.kept.textContent = `${kept} of ${row.filters}`;
      part.cut.textContent = row.fixed ? 'whole' : kept === row.filters ? '0 %' : `−${Math.round(100 - share)} %`;
      part.edge.setAttribute('aria-valuemax', row.filters);
      part.edge.setAttribute('aria-valuenow', kept);
      part.edge.setAttribute('aria-valuetext', `keeps ${kept} of ${row.filters} filters, suggested ${row.suggested}`);
    }
  };

  const commit = (name) => {
    me.drag = me.pressed = null;
    paint();
    const row = now(name);
    if (me.kept[name] === row.kept) return;
    say.textContent = `${row.label}: keeps ${me.kept[name]} of ${row.filters} filters`;
    me.set('edit', { group: name, kept: me.kept[name], n: Date.now() });
  };

  const build = (made) => {
    const name = made.name;
    const add = (kind, tag, parent) => {
      const element = document.createElement(tag);
      element.className = kind;
      parent.append(element);
      return element;
    };
    const row = add('row', 'div', root);
    const title = add('name', 'button', row);
    title.textContent = made.label;
    title.setAttribute('aria-label', `${made.label}: show why`);
    if (made.tied) add('tied', 'span', title).textContent = made.tied;
    title.onclick = () => me.set('pick', { group: name, n: Date.now() });
    const track = add('track', 'div', row);
    const bar = add('bar', 'div', track);
    const mark = add('mark', 'div', track);
    const edge = add('edge', 'button', track);
    const kept = add('kept', 'span', row);
    const cut = add('cut', 'span', row);
    edge.setAttribute('role', 'slider');
    edge.setAttribute('aria-label', `Filters kept in ${made.label}`);
    edge.setAttribute('aria-valuemin', 1);

    track.onpointerdown = (event) => {
      if (now(name).fixed || event.button !== 0) return;
      track.setPointerCapture(event.pointerId);
      edge.focus({ preventScroll: true });
      me.before = me.kept[name];
      me.drag = name;
      track.onpointermove(event);
    };
    track.onpointermove = (event) => {
      if (me.drag !== name) return;
      const box = track.getBoundingClientRect();
      me.kept[name] = snapped(now(name), ((event.clientX - box.left) / box.width) * now(name).filters);
      paint();
    };
    track.onpointerup = () => me.drag === name && commit(name);
    const back = () => {
      if (me.drag !== name) return;
      me.kept[name] = me.before;
      me.drag = null;
      paint();
    };
    track.onpointercancel = back;
    edge.onkeydown = (event) => {
      const group = now(name);
      if (event.key === 'Escape') return back();
      const step = me.data.step;
      const kept = me.kept[name];
      const to = {
        ArrowRight: kept + step, ArrowUp: kept + step, ArrowLeft: kept - step, ArrowDown: kept - step,
        PageUp: kept + group.filters / 10, PageDown: kept - group.filters / 10, Home: 1, End: group.filters,
      }[event.key];
      if (to === undefined || group.fixed) return;
      event.preventDefault();
      me.kept[name] = snapped(group, to);
      me.pressed = name;
      paint();
      clearTimeout(me.timer);
      me.timer = setTimeout(() => commit(name), 250); // key repeat: one message at the end
    };
    me.rows.set(name, { row, bar, mark, edge, kept, cut });
  };

  const names = data.rows.map((row) => row.name + row.label + row.tied).join('\n');
  if (names !== me.names) {
    me.names = names;
    root.replaceChildren();
    me.rows.clear();
    data.rows.forEach(build);
  }
  paint();
  return () => clearTimeout(me.timer);
}
