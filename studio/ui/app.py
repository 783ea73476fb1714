"""The app: one page, six steps, a list of runs. Start it with ``studio`` (or :func:`launch`).

gradio takes most of the time until the page answers, so it is imported inside :func:`create_app`, with the garbage
collector off; everything else that is dear (tables, models, charts) is imported by the handler that needs it first.
"""

from __future__ import annotations

import gc
import inspect
import ipaddress
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.assets import assets_dir
from studio.core.errors import StudioError
from studio.core.workspace import Workspace
from studio.runs.folder import sweep_deleted
from studio.ui.context import StudioContext

if TYPE_CHECKING:
    import gradio as gr

MAX_UPLOAD = "2gb"
START_ATTEMPTS = 3
CACHE_SECONDS = 24 * 3600
"""Uploaded files are copied into a run's folder when they are read; what is left in the cache goes after a day."""


@dataclass
class RunningApp:
    """A started server."""

    blocks: gr.Blocks
    studio: StudioContext
    host: str
    port: int
    _closed: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def wait(self) -> None:
        """Block until the process is asked to end (Ctrl-C or a signal handler that raises)."""
        while not self._closed.wait(1.0):
            pass

    def close(self) -> None:
        """End the server, its playgrounds and its spare worker; runs go on."""
        self._closed.set()
        self.studio.close()
        self.blocks.close(verbose=False)


def create_app(studio: StudioContext) -> gr.Blocks:
    """Lay out the page. Starts nothing."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    with _quick_import():
        import gradio as gr

        from studio.ui.shell import Shell
        from studio.ui.sidebar import Sidebar
        from studio.ui.steps import compare, data, export, model, prepare, train
        from studio.ui.views.journey import STEPS

        modules = (data, prepare, model, train, compare, export)
        with gr.Blocks(
            title="Tailor Studio", analytics_enabled=False, fill_width=True, delete_cache=(3600, CACHE_SECONDS)
        ) as blocks:
            run_id = gr.State(None)
            sidebar = Sidebar(studio, run_id)
            shell = Shell(studio, run_id)
            with gr.Walkthrough(selected=0, elem_id="ts-steps") as walkthrough:
                views = []
                for index, module in enumerate(modules):
                    with gr.Step(STEPS[index], id=index, elem_id=f"ts-step-{index}"):
                        views.append(module.build(studio, run_id, shell))
            sidebar.finish(shell)
            shell.finish(walkthrough, views)
            shell.load(blocks)
    return blocks


def launch(
    workspace: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: Sequence[tuple[str, str]] | None = None,
    studio: StudioContext | None = None,
) -> RunningApp:
    """Start the server and return at once; :meth:`RunningApp.wait` blocks.

    Args:
        port: The first port tried; when it is taken the next free one is used (see :attr:`RunningApp.port`).
        auth: (user, password) pairs, required for a host other than this machine.

    Raises:
        StudioError: the host is not this machine and no password is given, or no port is free.
    """
    if not is_loopback(host) and not auth:
        raise StudioError(
            "The studio stays on this machine",
            f"Listening on {host or 'every address'} would let anybody on the network train models and read your data.",
            "Add --auth user:password (or set TAILOR_AUTH), or leave --host out.",
        )
    studio = studio or StudioContext(workspace)
    uploads = _keep_uploads_in(workspace)
    blocks = create_app(studio)
    from starlette.middleware import Middleware

    from studio.ui import theme
    from studio.ui.guard import Guard

    start = partial(
        blocks.launch,
        server_name=host,
        auth=list(auth) if auth else None,
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        max_file_size=MAX_UPLOAD,
        favicon_path=str(assets_dir() / "favicon.svg"),
        theme=theme.theme(),
        css=theme.css(),
        head=theme.head(),
        app_kwargs={
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
            "middleware": [Middleware(Guard, with_login=bool(auth))],
        },
    )
    port = _start(start, host, port)
    gc.freeze()
    threading.Thread(target=_warm, args=(studio, uploads), name="warm-up", daemon=True).start()
    return RunningApp(blocks, studio, host, port)


def _start(start: Callable[..., Any], host: str, first: int) -> int:
    """Start the server on the first free port; the port. On a very busy machine Gradio gives up after a few seconds."""
    for _ in range(START_ATTEMPTS):
        port = free_port(host, first)
        try:
            start(server_port=port)
        except OSError as error:
            told = error
        else:
            return port
    raise StudioError(
        "The studio could not start", f"Its page did not open ({told}).", "Try again in a moment."
    ) from told


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, first: int, tries: int = 100) -> int:
    """``first`` or the next port on which nobody listens.

    Raises:
        StudioError: none of ``tries`` ports is free, or the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + tries, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except socket.gaierror:
                break
            except OSError:
                continue
            return port
    raise StudioError(
        "The studio cannot open a port",
        f"None of the ports {first} to {first + tries - 1} is free on {host}.",
        "Give another one with --port, or check the name of the host.",
    )


def _keep_uploads_in(workspace: Workspace) -> Path:
    """Uploads pass through the person's own workspace: the temporary folder is shared with everybody on this machine,
    who could look into it, and who may already own the folder that gradio wants to write there."""
    folder = Path(os.environ.setdefault("GRADIO_TEMP_DIR", str(workspace.cache_dir / "uploads")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _forget_old(uploads: Path) -> None:
    """Uploads that a server left behind which was killed; a running one cleans up after itself."""
    for path in uploads.iterdir():
        if time.time() - path.stat().st_mtime > CACHE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _warm(studio: StudioContext, uploads: Path) -> None:
    try:
        if uploads.parent == studio.workspace.cache_dir:
            _forget_old(uploads)
        studio.warm()
        sweep_deleted(studio.workspace)
    except Exception:
        logging.getLogger("studio.ui").exception("Warming up failed; the first click will be slower.")


@contextmanager
def _quick_import() -> Iterator[None]:
    """Halve the time gradio takes to import.

    Importing makes very many objects and no garbage, so looking for garbage is a waste. And gradio writes type stubs
    beside its own files at each import, parsing each of them; it lets that be for classes that have no file.
    """

    def getfile(object: Any) -> str:
        if isinstance(object, type) and object.__module__.startswith("gradio."):
            raise OSError("no type stubs, thank you")
        return real(object)

    was_on, real = gc.isenabled(), inspect.getfile
    gc.disable()
    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = real
        if was_on:
            gc.enable()
