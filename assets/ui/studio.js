// Tailor Studio. Runs once, in the page's head. What belongs to one component lives beside it in Python.
document.documentElement.lang = 'en';

// On a phone the list of runs starts closed: it would cover the page. It opens itself while the page is being put
// together, so we look until it has stayed closed for a second.
(() => {
  if (!window.matchMedia('(max-width: 768px)').matches) return;
  const began = Date.now();
  let closedSince = 0;
  const look = window.setInterval(() => {
    const sidebar = document.getElementById('ts-sidebar');
    if (sidebar && sidebar.classList.contains('open')) {
      closedSince = 0;
      sidebar.querySelector('.toggle-button')?.click();
    } else if (sidebar) {
      closedSince = closedSince || Date.now();
    }
    if ((closedSince && Date.now() - closedSince > 1000) || Date.now() - began > 20000) window.clearInterval(look);
  }, 100);
  document.addEventListener('pointerdown', () => window.clearInterval(look), {once: true, capture: true});
})();

// Technical words: the sentence of the glossary beside a word that is pointed at, tapped or reached with the keyboard.
(() => {
  const WORDS = '.ts-term, .ts-field .info-text em, .ts-heading small, .ts-export h3 small';
  const glossary = window.tailorGlossary || {};
  const sentence = (word) => glossary[word.textContent.toLowerCase().replace(/[-_\s]+/g, ' ').trim()];
  const wordAt = (event) => event.target.closest?.('.ts-term[tabindex]');
  let tip = null, word = null, due = 0, waiting = 0;

  function mark() {
    for (const found of document.querySelectorAll(WORDS)) {
      if (found.hasAttribute('tabindex') || !sentence(found)) continue;
      found.classList.add('ts-term');
      found.tabIndex = 0;
      found.setAttribute('role', 'term');
    }
    if (word && !word.isConnected) hide();
  }

  function show(wanted) {
    clearTimeout(waiting);
    if (word !== wanted) hide();
    if (!sentence(wanted)) return;
    if (!tip) {
      tip = document.createElement('div');
      tip.id = 'ts-tip';
      tip.setAttribute('role', 'tooltip');
      document.body.append(tip);
      tip.addEventListener('pointerenter', () => clearTimeout(waiting));
      tip.addEventListener('pointerleave', later);
    }
    word = wanted;
    tip.textContent = sentence(word);
    tip.hidden = false;
    word.setAttribute('aria-describedby', tip.id);
    place();
  }

  function hide() {
    clearTimeout(waiting);
    word?.removeAttribute('aria-describedby');
    word = null;
    if (tip) tip.hidden = true;
  }

  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (document.activeElement !== word) hide(); }, 150);
  }

  function place() {
    const box = word.getClientRects()[0];
    if (!box || box.bottom < 0 || box.top > innerHeight) return hide();
    const wide = document.documentElement.clientWidth;
    const below = box.bottom + 6 + tip.offsetHeight <= innerHeight - 4 || box.top < tip.offsetHeight + 10;
    tip.style.left = `${Math.max(8, Math.min(box.left, wide - tip.offsetWidth - 8))}px`;
    tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
  }

  new MutationObserver(() => { due ||= setTimeout(() => { due = 0; mark(); }, 150); })
    .observe(document.documentElement, {childList: true, subtree: true});
  document.addEventListener('pointerover', (event) => {
    const wanted = event.pointerType === 'mouse' && wordAt(event);
    if (!wanted || wanted === word) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => show(wanted), 120);
  });
  document.addEventListener('pointerout', (event) => { if (event.pointerType === 'mouse' && wordAt(event)) later(); });
  document.addEventListener('pointerdown', (event) => { if (word && !wordAt(event) && !tip.contains(event.target)) hide(); });
  document.addEventListener('focusin', (event) => { const wanted = wordAt(event); if (wanted) show(wanted); });
  document.addEventListener('focusout', (event) => { if (word && event.target === word) hide(); });
  document.addEventListener('click', (event) => {
    const wanted = wordAt(event);
    if (!wanted) return;
    event.preventDefault();  // a field's label would put the cursor into the field, and a phone its keyboard over the page
    show(wanted);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && word) hide();
    else if ((event.key === 'Enter' || event.key === ' ') && wordAt(event)) {
      event.preventDefault();
      if (word) hide(); else show(wordAt(event));
    }
  });
  for (const moved of ['scroll', 'resize']) addEventListener(moved, () => { if (word) place(); }, {capture: true, passive: true});
})();
