"""Many workers, and others who want the same study or file: exact budgets, nothing lost, nothing run twice."""

import threading
import time
import urllib.request

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.postgres import Server
from tests.stress.conftest import NewDriver, Reference
from tests.stress.driver import FAST, wait_until
from tests.stress.exact import assert_exact, assert_same, assert_untroubled

stress = pytest.mark.stress


@pytest.mark.parametrize(
    ("workers", "trials", "rounds"), [(4, 16, 1), pytest.param(8, 300, 20, marks=stress)], ids=["short", "long"]
)
def test_the_budget_is_met_exactly(
    new_driver: NewDriver, server_or_none: Server | None, workers: int, trials: int, rounds: int
) -> None:
    first = None
    for number in range(1, rounds + 1):
        started = time.monotonic()
        driver = new_driver(trials, batches=FAST, server=server_or_none)
        command = driver.run("--workers", workers)
        command.wait()
        rows = assert_exact(driver)
        assert_untroubled(command, rows)
        first = first or rows
        assert_same(rows, first)
        seconds = time.monotonic() - started
        print(f"\nround {number} of {rounds}: {workers} workers, {len(rows)} of {trials} trials, {seconds:.0f} s")


@pytest.mark.parametrize(
    ("workers", "trials", "rounds"), [(1, 6, 1), pytest.param(4, 60, 5, marks=stress)], ids=["short", "long"]
)
def test_two_runs_started_at_once_share_one_study(
    new_driver: NewDriver, reference: Reference, workers: int, trials: int, rounds: int
) -> None:
    for _ in range(rounds):
        driver = new_driver(trials)
        commands = [driver.run("--workers", workers), driver.run("--workers", workers)]
        for command in commands:
            command.wait()
        rows = assert_exact(driver)
        for command in commands:
            assert_untroubled(command, rows)
        assert_same(rows, reference(trials))


@pytest.mark.parametrize(
    ("workers", "trials", "seconds"), [(2, 16, 5), pytest.param(8, 100, 30, marks=stress)], ids=["short", "long"]
)
def test_another_process_holds_the_database(
    new_driver: NewDriver, reference: Reference, workers: int, trials: int, seconds: float
) -> None:
    driver = new_driver(trials)
    command = driver.run("--workers", workers)
    driver.wait_for_trials(2)
    with driver.ledger.connection() as connection:
        connection.execute("BEGIN EXCLUSIVE")
        held_from = driver.ledger.ended()
        time.sleep(seconds)
        assert driver.ledger.ended() == held_from
        connection.execute("ROLLBACK")
    assert command.wait() == 0, command.errors()
    rows = assert_exact(driver)
    assert_same(rows, reference(trials))
    assert "Traceback" not in command.errors_of_workers()
    print(f"\ndatabase held for {seconds} s: {len(rows)} of {trials} trials")


@pytest.mark.parametrize(
    ("workers", "trials"), [(2, 16), pytest.param(8, 100, marks=stress)], ids=["short", "long"]
)
def test_a_dashboard_polls_all_the_while(
    new_driver: NewDriver, reference: Reference, workers: int, trials: int
) -> None:
    driver = new_driver(trials)
    made = driver.start("submit", driver.study_file(), "--no-evaluate")
    assert made.wait() == 0, made.errors()
    dashboard = driver.start("dashboard", "--port", 0)
    address = wait_until(lambda: _address(dashboard.errors()), "the dashboard to start")
    command = driver.run("--workers", workers)
    seconds: list[float] = []
    over = threading.Event()
    poller = threading.Thread(target=_poll, args=(f"{address}/api/studies/1", over, seconds))
    poller.start()
    try:
        assert command.wait() == 0, command.errors()
    finally:
        over.set()
        poller.join()
    rows = assert_exact(driver)
    assert_untroubled(command, rows)
    assert_same(rows, reference(trials))
    assert seconds
    assert dashboard.popen.poll() is None, "it still answers"
    assert "Traceback" not in dashboard.errors()
    print(f"\n{len(seconds)} polls of the dashboard, the slowest took {max(seconds):.2f} s")


def _address(said: str) -> str | None:
    words = [word for word in said.split() if word.startswith("http://") and word.endswith("/")]
    return words[0].removesuffix("/") if words else None


def _poll(url: str, over: threading.Event, seconds: list[float]) -> None:
    """Ask until told to end; note how long each answer took. A poll that fails is noted as an endless one."""
    while not over.wait(0.1):
        started = time.monotonic()
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
                answer.read()
        except OSError:
            seconds.append(float("inf"))
            return
        seconds.append(time.monotonic() - started)
