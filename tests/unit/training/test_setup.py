"""Before the first step."""

import warnings

from studio.training.setup import prepare_process


def test_what_libraries_tell_their_programmers_is_not_in_the_log(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the threads of this process stay as they are
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        prepare_process(1)
        for kind in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.warn_explicit("old", kind, "modeling_utils.py", 1, module="transformers.modeling_utils")
            warnings.warn_explicit("ours", kind, "ours.py", 1, module="studio.somewhere")
    assert [str(warning.message) for warning in told] == ["ours"] * 3
