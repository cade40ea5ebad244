// The address holds everything but the steps, which are this person's own: they are left out.
export default function ({parentElement}) {
  const box = parentElement.querySelector('.copy'), button = box.querySelector('button'), word = button.querySelector('span');
  const field = box.querySelector('label'), input = field.querySelector('input'), say = box.querySelector('.say');
  const link = () => { const url = new URL(window.location.href); url.searchParams.delete('line'); return url.href; };
  const done = () => { word.textContent = 'Copied'; say.textContent = 'The link is copied.'; clearTimeout(box.timer); box.timer = setTimeout(() => { word.textContent = 'Copy link'; }, 2000); };
  const show = () => { input.value = link(); field.hidden = false; input.focus(); input.select(); };
  button.onclick = async () => {
    if (!field.hidden) { field.hidden = true; return; }
    try { await navigator.clipboard.writeText(link()); done(); } catch { show(); }
  };
  input.onkeydown = e => { if (e.key === 'Escape') { field.hidden = true; button.focus(); } };
  input.onblur = () => { field.hidden = true; };
  return () => clearTimeout(box.timer);
}
