// In a text field the keys of Undo and Redo belong to the text: the app's own never hear of them.
// A list to choose from is a text field only while it is open and is written in.
const LISTS = 'input[role="combobox"][aria-expanded="false"]';
const OTHERS = ['checkbox', 'radio', 'range', 'button', 'submit', 'reset', 'file', 'color'];

function isText(el) {
  if (el.tagName === 'INPUT') return !el.readOnly && !OTHERS.includes(el.type) && !el.matches(LISTS);
  return el.tagName === 'TEXTAREA' ? !el.readOnly : el.isContentEditable;
}

function keep(e) {
  const [at] = e.composedPath(), z = e.key?.toLowerCase() === 'z' || e.keyCode === 90;
  if (z && (e.ctrlKey || e.metaKey) && !e.altKey && at instanceof Element && isText(at)) e.stopImmediatePropagation();
}

export default function () {
  window.addEventListener('keydown', keep, true); // the same listener twice is one
  return () => window.removeEventListener('keydown', keep, true);
}
