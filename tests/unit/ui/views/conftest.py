"""What a person's file may hold and must never become markup."""

import pytest

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><h1>out</h1>",
    "{{value}} ${alert(1)} `x`",
    "**bold** [link](javascript:alert(1))",
    "\x00\x1b[31m\u202egnp.exe",
]


@pytest.fixture(params=NASTY)
def nasty(request: pytest.FixtureRequest) -> str:
    return request.param
