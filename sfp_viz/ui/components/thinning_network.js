// The network of thinning.js at one refresh; its elements and state (`me`) are made there.
const NET = 118; // its height
const PLAY = 4000; // milliseconds that a replay takes

// Shares of a layer at a refresh: of its filters that are kept, and of its weights that are kept.
const live = (layer, at) => layer.live[at] / layer.filters;
const core = (layer, at) => live(layer, at) * (layer.stripes ? layer.stripes[at] : 1);
const short = (text, room) => (text.length * 6.3 <= room ? text : '…' + text.slice(-Math.max(3, Math.floor(room / 6.3) - 1)));
const left = (layer, at) => `${fixed(layer.live[at], 0)} / ${fixed(layer.filters, 0)}` + (layer.stripes ? `, ${percent(layer.stripes[at])}` : '');

// Layers of very different widths are scaled by the square root, or the small ones would vanish.
const uneven = (data) => Math.max(...data.layers.map((b) => b.filters)) > 8 * Math.min(...data.layers.map((b) => b.filters));

// The layers as bars around one line: outline before pruning, filled what is kept. The rectangles
// are reused, so that they glide.
function network(me) {
  const { data, net, width } = me, n = data.layers.length, most = Math.max(...data.layers.map((b) => b.filters));
  const slot = Math.min(n <= 4 ? 110 : 64, width / n), gap = slot > 12 ? 4 : slot > 5 ? 2 : 0.5, from = (width - slot * n) / 2, base = net.querySelector('.base');
  const key = [data.layers.map((b) => b.name + b.filters).join(), width].join();
  net.setAttribute('height', NET);
  net.setAttribute('viewBox', `0 0 ${width} ${NET}`);
  if (me.built !== key) {
    me.built = key;
    base.replaceChildren();
    me.bars = data.layers.map((layer, i) => {
      const g = put(base, 'g', { class: layer.prunable ? '' : 'whole' }), x = from + i * slot + gap / 2, w = slot - gap, parts = {};
      for (const kind of ['gone', 'pale', 'core']) parts[kind] = put(g, 'rect', { class: kind, x, width: w, rx: Math.min(3, w / 4) });
      g.onpointerenter = () => { me.row = i; show(me); };
      g.onpointerleave = () => { me.row = null; show(me); };
      return { g, ...parts };
    });
  }
  const at = now(me), height = (filters) => Math.max(3, (NET - 6) * (filters / most) ** (uneven(data) ? 0.5 : 1));
  net.classList.toggle('at', me.at !== null);
  data.layers.forEach((layer, i) => {
    const bar = me.bars[i], whole = height(layer.filters);
    for (const [kind, share] of [['gone', 1], ['pale', live(layer, at)], ['core', core(layer, at)]]) {
      const h = Math.max(layer.live[at] ? 1.5 : 0, whole * share);
      bar[kind].style.y = `${(NET - h) / 2}px`;
      bar[kind].style.height = `${h}px`;
    }
    bar.g.classList.toggle('on', me.row === i);
  });
}

const now = (me) => (me.at === null ? me.data.epochs.length - 1 : me.at);

// Shows the refreshes one after the other; called again it stops.
function replay(me) {
  cancelAnimationFrame(me.playing);
  if (me.playing) { me.playing = 0; me.at = null; me.label(); return show(me); }
  const begun = performance.now(), turn = (time) => {
    const last = me.data.epochs.length - 1, at = Math.floor(((time - begun) / PLAY) * last);
    if (at >= last) { me.playing = 0; me.at = null; me.label(); return show(me); }
    if (at !== me.at) { me.at = Math.max(0, at); show(me); }
    me.playing = requestAnimationFrame(turn);
  };
  me.playing = requestAnimationFrame(turn);
  me.label();
}
