"""Who may talk to the server: the person's own page, and no other web page that happens to be open in the same browser.

Any page can send requests to 127.0.0.1, and a page whose name is made to point to 127.0.0.1 (DNS rebinding) counts as
the studio itself. So a request that changes something must come from our page, and without a login the address must be
this machine's own or a plain number; a name of the attacker's is neither.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI middleware.

    Args:
        with_login: A login is asked for. Then any name may lead here (a login belongs to the name it was given under),
            and a proxy in front may say which name that was.
    """

    def __init__(self, app: App, with_login: bool) -> None:
        self.app = app
        self.with_login = with_login

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else ""
        if not refusal:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": refusal.encode()})

    def _refusal(self, scope: Message) -> str:
        """Why this request is not answered; nothing when it is."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self.with_login and not own_address(host):
            return (
                "Without a login the studio answers at this machine's own address only. "
                "Open it at localhost, or start it with --auth user:password."
            )
        if scope.get("method", "GET") in READING and scope["type"] == "http":
            return ""
        ours = {host}
        if self.with_login:
            ours.add(headers.get("x-forwarded-host", host).split(",")[0].strip())
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc not in ours:
            return "Another web page asked for this, so the studio did not do it. Open the studio in its own tab."
        if origin is None and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "Another web page asked for this, so the studio did not do it. Open the studio in its own tab."
        return ""


def own_address(host: str) -> bool:
    """Whether a ``Host`` header names this machine in a way that no name server had a say in."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
