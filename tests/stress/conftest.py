"""Fixtures of the stress tests, and what every study must satisfy in the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.stress.driver import SLOW, Driver
from tests.stress.exact import assert_exact
from tests.stress.ledger import Row

NewDriver = Callable[..., Driver]
Reference = Callable[..., list[Row]]

# The most trials that a short form compares, with the batch sizes that most have: the first that asks has them all
# run, so that they are not run again for the next that asks for more.
_MOST_OF_SHORT = 20


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image cache for all, so that the digits are decoded once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def new_driver(tmp_path: Path, cache: Path) -> Iterator[NewDriver]:
    """Makes drivers of new studies, and ends all that they started."""
    drivers: list[Driver] = []

    def make(trials: int, folder: Path | None = None, server: Server | None = None, **options: object) -> Driver:
        logs = tmp_path / f"logs-{len(drivers)}"
        folder = folder or tmp_path / f"storage-{len(drivers)}"
        for path in (logs, folder):
            path.mkdir(exist_ok=True)
        if server is not None:
            options["url"] = server.url(server.new_database())
        drivers.append(Driver(folder, logs, cache, trials, **options))  # type: ignore[arg-type]
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.end()


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Reference:
    """The first trials of a study that nothing disturbed; it is run once and kept."""
    known: dict[tuple[int, ...], list[Row]] = {}

    def rows(trials: int, batches: tuple[int, ...] = SLOW, workers: int = 2) -> list[Row]:
        if len(known.get(batches, [])) < trials:
            folder = tmp_path_factory.mktemp("reference")
            count = max(trials, _MOST_OF_SHORT) if batches == SLOW else trials
            driver = Driver(folder, folder, cache, count, batches)
            try:
                assert driver.run("--workers", workers).wait() == 0
                known[batches] = assert_exact(driver)
            finally:
                driver.end()
        return known[batches][:trials]

    return rows
