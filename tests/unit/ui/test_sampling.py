"""The settings of the answers."""

import pytest

from studio.core.errors import RecipeError
from studio.ui.sampling import checked_sampling


def test_settings_of_the_answers_are_checked_all_at_once() -> None:
    assert checked_sampling({"temperature": 0}) == {
        "temperature": 0,
        "top_p": 0.9,
        "max_new_tokens": 200,
        "seed": 42,
    }
    with pytest.raises(RecipeError) as caught:
        checked_sampling({"temperature": 9, "top_p": 0})
    assert {problem.field for problem in caught.value.problems} == {"temperature", "top_p"}
