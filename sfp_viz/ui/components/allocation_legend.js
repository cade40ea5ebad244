// The legend over the bars. data = {entries: [{name, label, used, known, kept, note, why, offer}], group,
//   filters, hidden: [name], marks, shapes: {name: svg}}. A bar under the pointer or the focus sends its numbers
// as the document's event 'sfp-look' = {label, filters, kept, others: [[name, kept]]}, or null when left.
const make = (kind, tag, parent, text = '') => {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  parent.append(element);
  return element;
};

const glyph = (entry, shapes, parent) => {
  const box = make('glyph', 'span', parent);
  box.setAttribute('aria-hidden', 'true');
  if (!entry.used) box.innerHTML = shapes[entry.name] ?? '';
};

const press = (toggle, shown) => {
  toggle.setAttribute('aria-pressed', shown);
  toggle.title = shown ? 'Hide these marks' : 'Show these marks';
};

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector('.legend');
  const lead = root.querySelector('.lead');
  const list = root.querySelector('.list');
  const me = (root.me ??= { numbers: new Map(), toggles: new Map() });
  me.data = data;
  me.set = setStateValue;

  const update = (look) => {
    const group = look ? look.label : me.data.group;
    const filters = look ? look.filters : me.data.filters;
    const others = look ? new Map(look.others) : null;
    lead.textContent = group ? `Filters kept in ${group} (of ${filters.toLocaleString('en')}), at the same target` : '';
    for (const entry of me.data.entries) {
      const kept = look ? (entry.used ? look.kept : others.get(entry.name)) : entry.kept;
      const at = me.numbers.get(entry.name);
      if (at) at.textContent = kept == null ? '' : kept.toLocaleString('en');
    }
  };

  const build = (entry) => {
    const line = make(`strategy${entry.used ? ' used' : ''}${entry.known ? '' : ' unknown'}`, 'li', list);
    const inner = entry.known && !entry.used && me.data.marks ? make('toggle', 'button', line) : line;
    glyph(entry, me.data.shapes, inner);
    make('label', 'span', inner, entry.label.charAt(0).toUpperCase() + entry.label.slice(1));
    if (inner !== line) {
      me.toggles.set(entry.name, inner);
      inner.onclick = () => {
        const shown = inner.getAttribute('aria-pressed') !== 'true';
        press(inner, shown);
        me.set('show', { name: entry.name, shown, n: Date.now() });
      };
    }
    if (entry.known) me.numbers.set(entry.name, make('number', 'span', inner));
    if (entry.used) make('used-now', 'span', line, 'in use');
    if (entry.note) make('note', 'span', line, entry.note).title = entry.why;
    if (entry.offer) {
      const button = make('offer', 'button', line, entry.offer);
      button.setAttribute('aria-label', `${entry.offer}: ${entry.label}`);
      button.title = entry.why;
      button.onclick = () => me.set('offer', { name: entry.name, n: Date.now() });
    }
  };

  const shape = JSON.stringify([data.entries.map(({ kept, ...entry }) => entry), data.marks]);
  if (shape !== me.shape) {
    me.shape = shape;
    list.replaceChildren();
    me.numbers.clear();
    me.toggles.clear();
    data.entries.forEach(build);
  }
  for (const [name, toggle] of me.toggles) press(toggle, !data.hidden.includes(name));
  update(null);
  if (me.look) document.removeEventListener('sfp-look', me.look);
  me.look = (event) => update(event.detail);
  document.addEventListener('sfp-look', me.look);
  return () => document.removeEventListener('sfp-look', me.look);
}
