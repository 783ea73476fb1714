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
