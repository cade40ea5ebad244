// Steps by time, the oldest first; each branch has a lane of the rail. A click goes to a step.
export default function ({parentElement, data, setTriggerValue}) {
  const box = parentElement.querySelector('.tree'), list = box.querySelector('.rows'), rail = box.querySelector('.rail');
  const TALL = 28, WIDE = 14, MOST = 6, lane = row => Math.min(row.lane, MOST), rows = data.rows;
  const x = row => 10 + WIDE * lane(row), y = i => TALL * i + TALL / 2, at = new Map(rows.map((row, i) => [row.id, i]));
  const make = (tag, name, up, text) => { const e = document.createElement(tag); if (name) e.className = name; if (text !== undefined) e.textContent = text; up.append(e); return e; };
  const focused = parentElement.activeElement?.dataset?.step;
  const shift = 20 + WIDE * Math.max(0, ...rows.map(lane));
  list.replaceChildren();
  rows.forEach(row => {
    const b = make('button', row.current ? 'current' : '', list), words = make('span', 'words', b);
    b.type = 'button'; b.dataset.step = row.id; b.style.paddingLeft = (shift + 6) + 'px';
    if (row.current) b.setAttribute('aria-current', 'step');
    if (row.name) make('b', '', words, row.name);
    words.append(row.words); words.title = row.words;
    make('span', 'cost', b, row.cost); make('span', 'time', b, row.time);
    b.onclick = () => row.current || setTriggerValue('go', row.id);
    if (focused === b.dataset.step) b.focus({preventScroll: true});
  });
  const draw = (tag, attributes) => { const e = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const k in attributes) e.setAttribute(k, attributes[k]); rail.append(e); };
  rail.replaceChildren(); rail.setAttribute('width', shift); rail.setAttribute('height', TALL * rows.length);
  rows.forEach((row, i) => {
    const j = at.get(row.parent);
    if (j === undefined) return;
    const [px, py, cx, cy] = [x(rows[j]), y(j), x(row), y(i)];
    draw('path', {d: px === cx ? `M${px} ${py}V${cy}` : `M${px} ${py}C${px} ${py + TALL * 0.7} ${cx} ${py + TALL * 0.3} ${cx} ${py + TALL}V${cy}`});
  });
  rows.forEach((row, i) => draw('circle', {cx: x(row), cy: y(i), r: row.current ? 5 : 4, class: row.current ? 'current' : ''}));
  const current = list.querySelector('.current'), shown = rows.length + ' ' + current?.dataset.step;
  if (current && box.dataset.shown !== shown) { box.dataset.shown = shown; box.scrollTop = current.offsetTop - box.clientHeight / 2; }
}
