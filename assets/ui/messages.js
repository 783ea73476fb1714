// Messages: one at a time, the newest. It goes when it has been there long enough to be read, when the person does the
// next thing, or when it is closed. Gradio keeps one box for each kind and adds to it; the style sheet shows a box's last.
(() => {
  const LEAST = 6000, EACH = 75, STEP = 500;  // milliseconds: for any, for each character, between two looks
  const ACTS = 'button, input[type=checkbox], input[type=radio], [role=option]';
  const NOT_ACTS = '.toast-wrap, [role=tab], .label-wrap, .toggle-button, .ts-run-more, .ts-run-menu input, summary, .modebar, .lc';
  const known = new WeakSet();
  const hovers = window.matchMedia('(hover: hover)').matches;
  let newest = null, left = 0;

  const boxes = () => [...document.querySelectorAll('.toast-wrap .toast-body')];
  const close = (box) => box?.querySelector('.toast-close')?.click();
  const closeAll = () => { newest = null; boxes().forEach(close); };

  function look() {
    for (const item of document.querySelectorAll('.toast-wrap .toast-message-item')) {
      if (known.has(item)) continue;
      known.add(item);
      newest = item.closest('.toast-body');
      left = LEAST + EACH * item.textContent.length;
    }
    if (newest) boxes().filter((box) => box !== newest).forEach(close);
  }

  function next(event) {
    const target = event.target.closest?.(event.type === 'change' ? 'input, textarea, select' : ACTS);
    if (target && !target.closest(NOT_ACTS)) closeAll();
  }

  new MutationObserver(look).observe(document.documentElement, {childList: true, subtree: true});
  window.setInterval(() => {
    if (!newest || document.hidden || newest.matches(hovers ? ':hover, :focus-within' : ':focus-within')) return;
    left -= STEP;
    if (left <= 0) closeAll();
  }, STEP);
  document.addEventListener('click', next, {capture: true});
  document.addEventListener('change', next, {capture: true});
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') closeAll();
    else if (event.key === 'Enter' && event.target.matches?.('textarea, input')) closeAll();
  }, {capture: true});
  window.addEventListener('popstate', closeAll);
})();
