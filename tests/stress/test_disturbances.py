"""A full disk, a deleted study, a clock that jumps: correct completion, or one clear error."""

import random
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.stress.conftest import NewDriver, Reference
from tests.stress.driver import Command, Driver, wait_until
from tests.stress.exact import assert_exact, assert_one_clear_error, assert_same, files

stress = pytest.mark.stress
SMALL = 2 * 2**20  # bytes: the write-ahead log alone grows beyond this within a few trials


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of SMALL bytes."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a tmpfs here: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize(
    ("workers", "trials"), [(2, 10), pytest.param(8, 100, marks=stress)], ids=["short", "long"]
)
def test_a_full_disk(
    new_driver: NewDriver, reference: Reference, small_disk: Path, workers: int, trials: int
) -> None:
    driver = new_driver(trials, folder=small_disk)
    command = driver.run("--workers", workers)
    _assert_ends_for_lack_of_space(driver, command)
    _mount("-o", f"remount,size={64 * SMALL}", str(small_disk))
    _assert_goes_on(driver, reference(trials), workers)


@stress
@pytest.mark.parametrize(("workers", "trials"), [(2, 10), (8, 100)])
def test_files_may_not_grow(new_driver: NewDriver, reference: Reference, workers: int, trials: int) -> None:
    driver = new_driver(trials)
    command = driver.run("--workers", workers)
    resource.prlimit(command.popen.pid, resource.RLIMIT_FSIZE, (SMALL, SMALL))
    _assert_ends_for_lack_of_space(driver, command)
    _assert_goes_on(driver, reference(trials), workers)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)


def _assert_ends_for_lack_of_space(driver: Driver, command: Command) -> None:
    command.wait()
    line = assert_one_clear_error(command)
    assert any(words in line for words in ("is full", "No space left", "File too large", "disk I/O")), line
    assert "Traceback" not in command.errors_of_workers()
    assert 0 < driver.ledger.ended() < driver.trials
    print(f"\n{driver.ledger.ended()} trials, then: {line}")


def _assert_goes_on(driver: Driver, reference: list, workers: int) -> None:  # type: ignore[type-arg]
    assert driver.ledger.integrity() == "ok"
    # An hour later: what could not be written on the full disk, that the workers are gone, shows by then.
    _jump(driver, 1)
    again = driver.resume("--workers", workers)
    assert again.wait() == 0, again.errors()
    assert_same(assert_exact(driver), reference)


@pytest.mark.parametrize(("workers", "rounds"), [(2, 1), pytest.param(8, 10, marks=stress)], ids=["short", "long"])
def test_the_study_is_deleted(new_driver: NewDriver, workers: int, rounds: int) -> None:
    generator = random.Random(0)
    for _ in range(rounds):
        driver = new_driver(300)
        command = driver.run("--workers", workers)
        driver.wait_for_trials(2)
        time.sleep(generator.random())
        processes = command.workers()
        delete = driver.start("delete", driver.name, "--yes")
        assert delete.wait() == 0, delete.errors()
        command.wait()
        line = assert_one_clear_error(command, driver.name, "was deleted")
        assert not psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)[1]
        assert "Traceback" not in command.errors_of_workers()
        assert not driver.ledger.rows()
        left = len(files(driver))
        gc = driver.start("gc")
        assert gc.wait() == 0, gc.errors()
        assert not files(driver)
        print(f"\n{line}; {left} files for gc")


@pytest.mark.parametrize(
    ("workers", "trials", "jumps"), [(2, 16, 3), pytest.param(8, 300, 30, marks=stress)], ids=["short", "long"]
)
@pytest.mark.parametrize("hours", [1, pytest.param(-1, marks=stress)], ids=["forward", "backward"])
def test_the_clock_jumps(
    new_driver: NewDriver, reference: Reference, workers: int, trials: int, jumps: int, hours: int
) -> None:
    driver = new_driver(trials)
    command = driver.run("--workers", workers)
    driver.wait_for_trials(1)
    for _ in range(jumps):
        _jump(driver, hours)
        # A trial that is lost again and again fails, so let some end first, however slow the machine is.
        _wait_for_more(driver, workers)
    assert command.wait() == 0, command.errors()
    rows = assert_exact(driver)
    assert_same(rows, reference(trials))
    assert "Traceback" not in command.errors_of_workers()
    assert command.seen <= workers, "none died and was replaced"
    taken = sum(row.attributes.get("deaths", 0) for row in rows)
    print(
        f"\n{jumps} jumps by {hours} h: {taken} trials taken from a living worker, {len(rows)} of {trials} trials"
    )
    if hours < 0:
        assert not taken


def _wait_for_more(driver: Driver, trials: int) -> None:
    enough = min(driver.ledger.ended() + trials, driver.trials)
    wait_until(lambda: driver.ledger.ended() >= enough or None, "more trials to end")


def _jump(driver: Driver, hours: int) -> None:
    """Make it look as if the clock had jumped: all that is on record moves the other way."""
    with driver.ledger.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, column in (
            ("trial_heartbeats", "heartbeat"),
            ("trials", "datetime_start"),
            ("trials", "datetime_complete"),
        ):
            connection.execute(f"UPDATE {table} SET {column} = datetime({column}, '{-hours} hours')")
        connection.execute("COMMIT")
