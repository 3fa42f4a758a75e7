"""How many threads matrix products use, and a net has use for."""

import os
import subprocess
import sys
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from mlpsearch.models import threads as module
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.threads import (
    MOST_THREADS,
    fitting_threads,
    limited_threads,
    threads,
    threads_as_before,
    use_threads,
)


@pytest.mark.parametrize(
    ("inputs", "options", "expected"),
    [
        (3072, {"hidden_size": 50, "batch_size": 100}, 2),
        (3072, {"hidden_size": 50, "batch_size": 50}, 1),
        (64, {"hidden_size": 50, "batch_size": 100}, 1),
        (64, {"hidden_size": 1024, "batch_size": 100}, 2),
        (3072, {"hidden_size": 50, "batch_size": 100, "preprocessing": "whiten", "components": 100}, 1),
        (3072, {"hidden_size": 50, "batch_size": 100, "preprocessing": "whiten", "components": 4000}, 2),
    ],
)
def test_only_large_products_are_shared_among_threads(inputs: int, options: dict[str, Any], expected: int) -> None:
    assert fitting_threads(inputs, TrainConfig(**options), available=2) == expected


@pytest.mark.parametrize(("given", "expected"), [({}, "12"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_numpys_idle_threads_are_told_to_make_room_before_numpy_is_loaded(
    given: dict[str, str], expected: str
) -> None:
    said = "print('numpy' in sys.modules, os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    code = f"import os, sys, mlpsearch.search.cli; {said}"
    others = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=others | given, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["False", expected]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("3", 3),
        (" 3 ", 3),
        ("4,2", 4),
        ("4, 2, 1", 4),
        (str(MOST_THREADS), MOST_THREADS),
        *((text, 7) for text in ("", "0", "-2", "2.5", "many", ",2", str(MOST_THREADS + 1), "9" * 5000)),
    ],
)
def test_the_environment_gives_the_threads_where_it_makes_sense_else_there_is_one_for_each_core(
    given: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads() == expected


def test_a_process_without_the_variable_has_a_thread_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() == 7


def test_numpy_and_torch_have_their_threads_back_after_a_limit() -> None:
    import torch

    def used() -> set[int]:
        return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}

    with limited_threads(2):
        assert used() == {2}
        with limited_threads(1):
            assert used() == {1}
        assert used() == {2}
    assert used() == {threads()}


@pytest.mark.parametrize("given", [None, "1"])
def test_what_others_had_set_is_as_it_was(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OMP_NUM_THREADS")

    def set_now() -> tuple[str | None, list[int], int]:
        pools = [pool["num_threads"] for pool in threadpool_info()]
        return os.environ.get("OMP_NUM_THREADS"), pools, torch.get_num_threads()

    before = set_now()
    with threads_as_before():
        use_threads(3)
        assert set_now() != before
    assert set_now() == before
