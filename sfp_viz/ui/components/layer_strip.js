// The layers in order of depth: bar = Kernel Dispersion, line = share of filters the plan keeps.
export default function ({parentElement, data, setTriggerValue}) {
  const root = parentElement.querySelector('.row'), make = (tag, cls, up) => { const e = document.createElement(tag); e.className = cls; up?.append(e); return e; };
  const top = Math.max(...data.cells.map(c => c.dispersion ?? 0), 1e-6), focused = parentElement.activeElement?.dataset?.testid;
  const staged = data.cells.some(c => c.stage);
  root.replaceChildren();
  let stage = null, cells = null;
  data.cells.forEach(c => {
    if (!cells || c.stage !== stage) {
      stage = c.stage; const column = make('div', 'stage', root); const many = data.cells.filter(d => d.stage === c.stage).length;
      column.style.flex = `${many} 1 0`; column.style.maxWidth = `${many * 123 - 3}px`;  // cells of at most 120 and gaps of 3: no hole before the next stage
      if (staged) make('span', '', column).textContent = stage || '\u00a0'; cells = make('div', 'cells', column);
    }
    const b = make('button', '', cells), track = make('span', 'track', b), share = c.kept / c.size;
    b.type = 'button'; b.dataset.testid = 'layer-' + c.name;
    b.classList.toggle('on', c.name === data.chosen); b.classList.toggle('mate', c.group === data.group && c.name !== data.chosen); b.classList.toggle('whole', c.whole);
    b.setAttribute('aria-pressed', c.name === data.chosen);
    if (c.dispersion !== null) { make('span', 'fill', track).style.height = (100 * c.dispersion / top) + '%'; make('span', 'value', track).textContent = c.dispersion.toFixed(2); }
    make('i', '', make('span', 'kept', b)).style.width = (100 * share) + '%';
    make('span', 'name', b).textContent = c.short;
    const width = make('span', 'width', b).textContent = !c.whole && c.kept < c.size ? `${Math.round(c.filters * share).toLocaleString('en')} / ${c.filters.toLocaleString('en')}` : c.filters.toLocaleString('en');
    b.style.minWidth = `${Math.max(60, 7 * width.length)}px`;  // room for '726 / 1024'
    b.title = c.words; b.setAttribute('aria-label', `${c.short}, ${c.name}: ${c.words}`);
    b.onclick = () => setTriggerValue('chosen', c.name);
    if (focused === b.dataset.testid) b.focus({preventScroll: true});
  });
  parentElement.querySelector('.key').textContent = 'Bar: Kernel Dispersion (computed; 0: all filters alike, 1: as diverse as random filters). Line and numbers below: filters kept. Striped: not pruned.';
  const on = root.querySelector('.on'), box = root.parentElement;
  if (on && root.shown !== data.chosen) {                          // scroll a new choice into view
    root.shown = data.chosen;
    requestAnimationFrame(() => {
      const left = on.getBoundingClientRect().left - box.getBoundingClientRect().left;
      if (left < 0 || left + on.offsetWidth > box.clientWidth) box.scrollLeft += left - box.clientWidth / 2;
    });
  }
}
