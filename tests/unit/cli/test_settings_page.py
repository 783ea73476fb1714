"""The documentation's table of settings comes from the declarations, and the page in the checkout is that table."""

from studio.cli.flags import flag
from studio.cli.settings_page import PAGE, page
from studio.core.options import describe
from studio.core.recipe import SECTIONS


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_has_one_row_with_its_flag():
    text = page()
    for section, model in SECTIONS.items():
        for info in describe(model):
            path = f"{section}.{info.name}"
            assert text.count(f"| `{flag(path)}` | `{path}` |") == 1
