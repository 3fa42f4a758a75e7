"""A database server that restarts while workers work: nothing is lost, and nothing is done twice."""

import random
import time

import pytest

from tests.postgres import Server
from tests.stress.conftest import NewDriver, Reference
from tests.stress.exact import assert_exact, assert_same
from tests.stress.killing import kill_workers

stress = pytest.mark.stress


@pytest.mark.parametrize(
    ("workers", "trials", "away"),
    [(2, 16, (1.0, 2.0)), pytest.param(8, 200, (0.0, 45.0), marks=stress)],
    ids=["short", "long"],
)
def test_the_server_restarts(
    new_driver: NewDriver,
    server: Server,
    reference: Reference,
    workers: int,
    trials: int,
    away: tuple[float, float],
) -> None:
    driver = new_driver(trials, server=server)
    command = driver.run("--workers", workers)
    for count, (mode, seconds) in enumerate(zip(("immediate", "fast"), away, strict=True), 1):
        driver.wait_for_trials(count * trials // 4)
        server.restart(mode, away=seconds)
    assert command.wait() == 0, command.errors()
    rows = assert_exact(driver)
    assert_same(rows, reference(trials))
    assert "Traceback" not in command.errors() + command.errors_of_workers()
    assert command.seen <= workers, "none died and was replaced"
    late = [row.number for row in rows if "deaths" in row.attributes]
    print(f"\n2 restarts: {len(rows)} of {trials} trials; the claims of {late} got lost and were found again")


@stress
def test_the_server_crashes_often_while_workers_are_killed(
    new_driver: NewDriver, server: Server, reference: Reference
) -> None:
    workers, trials, generator = 4, 80, random.Random(0)
    driver = new_driver(trials, server=server)
    command = driver.run("--workers", workers)
    for _ in range(5):
        kill_workers(driver, command, 2, every=0.5)
        time.sleep(2 * generator.random())
        server.restart("immediate", away=generator.random())
    assert command.wait() == 0, command.errors()
    assert_same(assert_exact(driver), reference(trials))
