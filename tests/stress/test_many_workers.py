"""Many workers, and many who look or pull at the same study: exact budgets, nothing lost, nothing twice."""

import time

import pytest

from tests.stress.conftest import NewDriver, Reference
from tests.stress.driver import FAST
from tests.stress.exact import assert_exact, assert_same, assert_untroubled


@pytest.mark.parametrize(
    ("workers", "trials", "rounds"),
    [
        pytest.param(4, 24, 1, id="short"),
        pytest.param(8, 300, 20, id="long", marks=pytest.mark.stress),
    ],
)
def test_the_budget_is_met_exactly(new_driver: NewDriver, workers: int, trials: int, rounds: int) -> None:
    first = None
    for number in range(1, rounds + 1):
        driver = new_driver(trials, batches=FAST)
        started = time.monotonic()
        command = driver.run("--workers", workers)
        command.wait(600)
        rows = assert_exact(driver)
        assert_untroubled(command, rows)
        first = first or rows
        assert_same(rows, first)
        seconds = time.monotonic() - started
        print(f"round {number} of {rounds}: {workers} workers, {len(rows)} of {trials} trials, {seconds:.0f} s")
