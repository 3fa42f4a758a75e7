"""Fixtures of the stress tests, and what every study must satisfy in the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest

from mlpsearch.search.service import submit_spec
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.spec.reading import load_spec
from tests.postgres import Server
from tests.search.makers import never
from tests.stress.driver import SLOW, Driver
from tests.stress.exact import assert_exact
from tests.stress.ledger import Row

NewDriver = Callable[..., Driver]
Reference = Callable[..., list[Row]]


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
    """The first trials of a study that nothing disturbed; it is run once, in this process, and kept."""
    known: dict[tuple[int, ...], list[Row]] = {}

    def rows(trials: int, batches: tuple[int, ...] = SLOW) -> list[Row]:
        if len(known.get(batches, [])) < trials:
            folder = tmp_path_factory.mktemp("reference")
            driver = Driver(folder, folder, cache, trials, batches)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MLPSEARCH_CACHE", str(cache))
                _work_off(driver)
            known[batches] = assert_exact(driver)
        return known[batches][:trials]

    return rows


def _work_off(driver: Driver) -> None:
    """Run the driver's study to its end."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = load_spec(driver.study_file())
    url = f"sqlite:///{driver.database}"
    record = submit_spec(spec, None, url, trials=None, evaluate=False, command="", tell=lambda _: None)
    serve_one(record, never)
    record.storage.close()
