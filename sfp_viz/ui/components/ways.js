// The legend over the bars. data = {ways: [{name, label, used, known, kept, note, why, offer}], group,
//   filters, hidden: [name], marks, shapes: {name: svg}}. A bar under the pointer or the focus tells its numbers by the
// document's event 'sfp-look' = {label, filters, kept, others: [[name, kept]]}, or null when left.
const make = (kind, tag, parent, text = '') => {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  parent.append(element);
  return element;
};

const glyph = (way, shapes, parent) => {
  const box = make('glyph', 'span', parent);
  box.setAttribute('aria-hidden', 'true');
  if (!way.used) box.innerHTML = shapes[way.name] ?? '';
};

const press = (toggle, shown) => {
  toggle.setAttribute('aria-pressed', shown);
  toggle.title = shown ? 'Hide these marks' : 'Show these marks';
};

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector('.ways');
  const lead = root.querySelector('.lead');
  const list = root.querySelector('.list');
  const me = (root.me ??= { numbers: new Map(), toggles: new Map() });
  me.data = data;
  me.set = setStateValue;

  const tell = (look) => {
    const group = look ? look.label : me.data.group;
    const filters = look ? look.filters : me.data.filters;
    const given = look ? new Map(look.others) : null;
    lead.textContent = group ? `At the same target, of the ${filters.toLocaleString('en')} filters of ${group} stay` : '';
    for (const way of me.data.ways) {
      const kept = look ? (way.used ? look.kept : given.get(way.name)) : way.kept;
      const at = me.numbers.get(way.name);
      if (at) at.textContent = kept == null ? '' : kept.toLocaleString('en');
    }
  };

  const build = (way) => {
    const line = make(`way${way.used ? ' used' : ''}${way.known ? '' : ' unknown'}`, 'li', list);
    const inner = way.known && !way.used && me.data.marks ? make('toggle', 'button', line) : line;
    glyph(way, me.data.shapes, inner);
    make('label', 'span', inner, way.label.charAt(0).toUpperCase() + way.label.slice(1));
    if (inner !== line) {
      me.toggles.set(way.name, inner);
      inner.onclick = () => {
        const shown = inner.getAttribute('aria-pressed') !== 'true';
        press(inner, shown);
        me.set('show', { name: way.name, shown, n: Date.now() });
      };
    }
    if (way.known) me.numbers.set(way.name, make('number', 'span', inner));
    if (way.used) make('used-now', 'span', line, 'in use');
    if (way.note) make('note', 'span', line, way.note).title = way.why;
    if (way.offer) {
      const button = make('offer', 'button', line, way.offer);
      button.setAttribute('aria-label', way.offer === 'Use' ? `Share out ${way.label}` : `${way.offer}: ${way.label}`);
      button.title = way.why;
      button.onclick = () => me.set('offer', { name: way.name, n: Date.now() });
    }
  };

  const shape = JSON.stringify([data.ways.map(({ kept, ...way }) => way), data.marks]);
  if (shape !== me.shape) {
    me.shape = shape;
    list.replaceChildren();
    me.numbers.clear();
    me.toggles.clear();
    data.ways.forEach(build);
  }
  for (const [name, toggle] of me.toggles) press(toggle, !data.hidden.includes(name));
  tell(null);
  if (me.look) document.removeEventListener('sfp-look', me.look);
  me.look = (event) => tell(event.detail);
  document.addEventListener('sfp-look', me.look);
  return () => document.removeEventListener('sfp-look', me.look);
}
