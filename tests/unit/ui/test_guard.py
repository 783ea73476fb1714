"""Other web pages in the same browser must not be able to use the studio."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from studio.ui.guard import Guard, own_address

HERE = "127.0.0.1:7860"


def ask(method: str, with_login: bool = False, **headers: str) -> int:
    """The status that a request gets; 200 comes from the app behind the guard."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "headers": raw}
    # A thread of its own: the browser tests keep an event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, Guard(app, with_login)(scope, None, send)).result()
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "studio.localhost:1", "192.168.0.4:7860"]
)
def test_own_addresses(host: str) -> None:
    assert own_address(host)


@pytest.mark.parametrize(
    "host", ["attacker.example", "localhost.attacker.example:7860", "", "[::1", "127.0.0.1.nip.io"]
)
def test_names_that_anybody_can_point_here(host: str) -> None:
    assert not own_address(host)


def test_a_rebound_name_is_refused_even_for_reading() -> None:
    assert ask("GET", host="attacker.example:7860") == 403
    assert ask("GET", host=HERE) == 200


def test_a_name_is_fine_where_a_login_is_asked_for() -> None:
    assert ask("GET", True, host="gpu-box.lan:7860") == 200
    assert ask("POST", True, host="gpu-box.lan:7860", origin="http://gpu-box.lan:7860") == 200


@pytest.mark.parametrize("with_login", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://attacker.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:7860"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_another_page_may_not_change_anything(headers: dict[str, str], with_login: bool) -> None:
    assert ask("POST", with_login, host=HERE, **headers) == 403


def test_our_own_page_and_programs_may() -> None:
    assert ask("POST", host=HERE, origin=f"http://{HERE}", sec_fetch_site="same-origin") == 200
    assert ask("POST", host=HERE) == 200


def test_a_proxy_may_name_the_address_only_with_a_login() -> None:
    headers = {"host": HERE, "origin": "https://studio.example", "x_forwarded_host": "studio.example"}
    assert ask("POST", True, **headers) == 200
    assert ask("POST", False, **headers) == 403
