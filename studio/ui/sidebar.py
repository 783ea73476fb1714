"""The list of runs on the left: state, name, last losses; new, rename, delete.

The list is one piece of HTML with real buttons: reachable by keyboard, and cheap with hundreds of runs. The small menu
of a run is made in the browser; what it asks for comes back as one event.
"""

from __future__ import annotations

import hashlib
from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.ui.components import html
from studio.ui.context import StudioContext
from studio.ui.shell import QUIET, Shell, guarded
from studio.ui.views.sidebar import RunList, run_list


class Sidebar:
    """Laid out first; :meth:`finish` hangs it on the shell."""

    def __init__(self, studio: StudioContext, run_id: gr.State) -> None:
        self.studio, self.run_id = studio, run_id
        self.runs = RunList(studio.workspace)
        with gr.Sidebar(open=True, width=264, elem_id="ts-sidebar"):
            html('<div class="ts-brand">Tailor Studio</div>')
            self.new = gr.Button("+ New run", elem_id="ts-new-run", size="sm")
            self.list = html(elem_id="ts-run-list", js_on_load=_LIST_JS)

    def finish(self, shell: Shell) -> None:
        shell.open(self.new.click(guarded(lambda: None), None, self.run_id, **QUIET))
        acted = self.list.select(guarded(self._act), self.run_id, self.run_id, **QUIET)
        shell.open(acted)
        shell.pulse.add(self._draw, [self.list])

    def _draw(self, run_id: str | None, memory: dict[str, Any]) -> tuple[dict[str, Any], list[Any]] | None:
        markup = run_list(self.runs.entries(), run_id)
        mark = hashlib.sha256(markup.encode()).hexdigest()
        return None if memory.get("mark") == mark else ({"mark": mark}, [markup])

    def _act(self, current: str | None, event: gr.EventData) -> Any:
        """Open, rename or delete a run; answers with the run to show."""
        wish = event._data if isinstance(event._data, dict) else {}
        run_id = str(wish.get("run", ""))
        match wish.get("action"):
            case "open":
                return self.studio.run(run_id).id
            case "rename":
                self._rename(run_id, str(wish.get("name", "")))
            case "delete":
                self.studio.delete(run_id)
                if current == run_id:
                    return None
        return current

    def _rename(self, run_id: str, name: str) -> None:
        name = " ".join(name.split())[:80].strip()
        if not name:
            raise StudioError("A run needs a name", "The name is empty.", "Write at least one letter.")
        if any(name.casefold() == entry.name.casefold() for entry in self.runs.entries() if entry.id != run_id):
            raise StudioError("This name is taken", f"Another run is called “{name}”.", "Choose another name.")
        self.studio.rename(run_id, name)


_LIST_JS = """
let menu = null;
const close = () => { if (menu) { menu.remove(); menu = null; } };
const put = (button) => {
  const id = button.dataset.menu;
  close();
  menu = document.createElement('div');
  menu.className = 'ts-run-menu';
  menu.dataset.run = id;
  menu.setAttribute('role', 'group');
  const field = document.createElement('input');
  field.value = button.dataset.name; field.maxLength = 80; field.setAttribute('aria-label', 'Name of the run');
  const say = (text, kind, act) => {
    const made = document.createElement('button');
    made.type = 'button'; made.textContent = text; made.className = 'ts-button ' + kind;
    made.addEventListener('click', act); return made;
  };
  const rename = () => { trigger('select', {action: 'rename', run: id, name: field.value}); close(); };
  const ask = () => {
    menu.replaceChildren();
    const words = document.createElement('p');
    words.textContent = 'Delete “' + button.dataset.name + '” with its model and files? This cannot be undone.';
    menu.append(words,
      say('Delete', 'ts-danger', () => { trigger('select', {action: 'delete', run: id}); close(); button.focus(); }),
      say('Keep it', '', () => { close(); button.focus(); }));
    menu.querySelectorAll('button')[1].focus();
  };
  field.addEventListener('keydown', (event) => { if (event.key === 'Enter') rename(); });
  menu.append(field, say('Rename', '', rename));
  if (button.dataset.active === undefined) menu.append(say('Delete…', 'ts-plain', ask));
  menu.addEventListener('keydown', (event) => { if (event.key === 'Escape') { close(); button.focus(); } });
  const line = button.closest('li');
  const box = line.getBoundingClientRect();
  menu.style.top = box.bottom + 'px'; menu.style.left = Math.max(8, box.left) + 'px'; menu.style.width = box.width + 'px';
  document.body.append(menu);
  field.focus(); field.select();
};
element.addEventListener('click', (event) => {
  const open = event.target.closest('button[data-open]');
  const more = event.target.closest('button[data-menu]');
  if (open) {
    close();
    trigger('select', {action: 'open', run: open.dataset.open});
    if (window.matchMedia('(max-width: 768px)').matches) document.querySelector('.sidebar .toggle-button')?.click();
  } else if (more) {
    if (menu && menu.dataset.run === more.dataset.menu) close(); else put(more);
  }
});
document.addEventListener('click', (event) => {
  const path = event.composedPath();
  if (menu && !path.includes(menu) && !path.includes(element)) close();
});
"""
