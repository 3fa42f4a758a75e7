"""Killed workers and killed supervisors: their trials go on from their checkpoints, with the same results."""

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.postgres import Server
from tests.stress.conftest import NewDriver, Reference
from tests.stress.driver import is_of, wait_until
from tests.stress.exact import assert_exact, assert_same
from tests.stress.killing import assert_resumed, figures, kill_workers

stress = pytest.mark.stress


@pytest.mark.parametrize(
    ("workers", "trials", "kills", "every", "batches"),
    [(2, 10, 3, 0.2, (4, 8)), pytest.param(8, 300, 60, 0.1, (4, 8), marks=stress)],
    ids=["short", "long"],
)
def test_killed_workers(
    new_driver: NewDriver,
    server_or_none: Server | None,
    reference: Reference,
    workers: int,
    trials: int,
    kills: int,
    every: float,
    batches: tuple[int, ...],
) -> None:
    driver = new_driver(trials, batches=batches, server=server_or_none)
    command = driver.run("--workers", workers)
    killed = kill_workers(driver, command, kills, every=every)
    assert command.wait() == 0, command.errors()
    rows = assert_exact(driver)
    assert_resumed(rows, killed)
    assert any(kill.kept for kill in killed)
    assert_same(rows, reference(trials, batches))
    print(f"\n{figures(killed)}; {len(rows)} of {trials} trials, all accuracies the same as without kills")


@pytest.mark.parametrize(
    ("workers", "trials", "before"), [(2, 16, 2), pytest.param(8, 100, 40, marks=stress)], ids=["short", "long"]
)
def test_the_workers_of_a_killed_supervisor_end(
    new_driver: NewDriver, reference: Reference, workers: int, trials: int, before: int
) -> None:
    driver = new_driver(trials)
    command = driver.run("--workers", workers)
    driver.wait_for_trials(before)
    processes = command.workers()
    assert len(processes) == workers
    command.popen.kill()
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert not alive
    assert "Traceback" not in command.errors_of_workers()
    assert not driver.ledger.in_state("RUNNING"), "they have given their trials back"
    again = driver.resume("--workers", workers)
    assert again.wait() == 0, again.errors()
    assert_same(assert_exact(driver), reference(trials))


@stress
def test_a_killed_worker_without_supervisor(new_driver: NewDriver, reference: Reference) -> None:
    driver, trials = new_driver(30), 30
    submit = driver.start("submit", "--no-evaluate", driver.study_file())
    assert submit.wait() == 0, submit.errors()
    workers = [driver.start("worker", driver.name) for _ in range(3)]
    driver.wait_for_trials(3)
    victim = workers[0]
    victim.popen.kill()
    victim.popen.wait()
    lost = [row.number for row in driver.ledger.in_state("RUNNING") if is_of(row, victim.popen.pid)]
    for worker in workers[1:]:
        assert worker.wait() == 0, worker.errors()
    rows = assert_exact(driver)
    assert [row.number for row in rows if "deaths" in row.attributes] == lost
    assert_same(rows, reference(trials))


@stress
def test_everything_is_killed_at_once(new_driver: NewDriver, reference: Reference) -> None:
    driver, trials = new_driver(40), 40
    command = driver.run("--workers", 4)
    driver.wait_for_trials(10)
    command.end()
    wait_until(lambda: all(not process.is_running() for process in command.workers()) or None, "all to end")
    assert driver.ledger.in_state("RUNNING"), "nobody could give them back"
    again = driver.resume("--workers", 4)
    assert again.wait() == 0, again.errors()
    assert_same(assert_exact(driver), reference(trials))
