"""Trials a second against the number of workers, on SQLite and on PostgreSQL.

    python -m benchmarks.scale [--json] [--workers 1 2 4 8 16 32 64] [--sleep 0.5] [--window 15]

Workers are processes that take trials of one study from the queue as `mlpsearch worker` does, with heartbeats. A
trial sleeps, reports twice and ends: what is measured is what storage and queue carry, not training. Trials a
second are counted over a window in which all workers run. The PostgreSQL server is one of its own, with fsync.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.trial import TrialState

from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.lease import Lease
from mlpsearch.search.workers.worker import worker_name
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.files.file_store import ENVIRONMENT as ARTIFACTS
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import ENVIRONMENT as STORAGE
from mlpsearch.studies.study_data import load_spec_data
from tests.postgres import running_server

REPORTS = 2
_PATIENCE_SECONDS = 300.0


def sleeping_study(url: str) -> StudyRecord:
    """Return a study without end; its sampler asks nothing of the history."""
    spec = StudySpec.from_json(
        {
            "name": "sleeping",
            "net": "numpy",
            "dataset": "digits",
            "validation": 200,
            "sampler": "random",
            "pruner": "none",
            "budget": {"trials": 1_000_000, "epochs": REPORTS},
            "search": {"learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}},
        }
    )
    source = {"data": None, "fingerprint": load_spec_data(spec, None).fingerprint}
    return create_or_resume(url, spec, trials=None, source=source)


def work(url: str, sleep: float) -> None:
    """Take trials, sleep through them, end them; until killed."""
    record = open_study(url, "sleeping")
    queue, name = TrialQueue(record), worker_name()
    while True:
        claim = queue.claim(name)
        if claim is None:
            continue
        with Lease(queue, claim):
            claim.trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
            for report in range(1, REPORTS + 1):
                time.sleep(sleep / REPORTS)
                claim.trial.report(0.5, report)
            queue.finish(claim, 0.5)


def trials_a_second(url: str, workers: int, sleep: float, window: float) -> float:
    """Run so many workers on a new study; return the trials that end in a second once all of them run."""
    record = sleeping_study(url)
    command = [sys.executable, "-m", "benchmarks.scale", "--work", "--sleep", str(sleep)]
    processes = [subprocess.Popen(command, env=os.environ | {STORAGE: url}) for _ in range(workers)]
    try:
        _wait_for_all(record, workers)
        before, started = _ended(record), time.monotonic()
        time.sleep(window)
        return (_ended(record) - before) / (time.monotonic() - started)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def _wait_for_all(record: StudyRecord, workers: int) -> None:
    """Wait until each worker has ended a trial."""
    started = time.monotonic()
    while time.monotonic() - started < _PATIENCE_SECONDS:
        trials = record.storage.optuna.get_all_trials(record.study_id, deepcopy=False)
        if len({trial.user_attrs.get("worker") for trial in trials if trial.state.is_finished()}) >= workers:
            return
        time.sleep(1)
    raise RuntimeError(f"not all of {workers} workers were running after {_PATIENCE_SECONDS:.0f} s")


def _ended(record: StudyRecord) -> int:
    return record.counts.by_state()[TrialState.COMPLETE]


@contextmanager
def sqlite_urls() -> Iterator[Iterator[str]]:
    """Yield URLs of new files."""
    with tempfile.TemporaryDirectory() as folder:
        yield (f"sqlite:///{Path(folder) / f'{number}.db'}" for number in range(1_000))


@contextmanager
def postgresql_urls() -> Iterator[Iterator[str]]:
    """Yield URLs of new databases of a server of the benchmark's own."""
    with running_server() as server:
        server.execute("ALTER SYSTEM SET fsync = on")
        server.restart()
        yield (server.url(server.new_database()) for _ in range(1_000))


DATABASES = {"SQLite": sqlite_urls, "PostgreSQL": postgresql_urls}


def main() -> None:
    """Measure each database with each number of workers; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--sleep", type=float, default=0.5, help="seconds that a trial takes")
    parser.add_argument("--window", type=float, default=15.0, help="seconds over which trials are counted")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given, rows = parser.parse_args(), []
    if given.work:
        work(os.environ[STORAGE], given.sleep)
    for database, make_urls in DATABASES.items():
        with tempfile.TemporaryDirectory() as folder, make_urls() as urls:
            for workers in given.workers:
                os.environ[ARTIFACTS] = str(Path(folder) / str(workers))
                rate = trials_a_second(next(urls), workers, given.sleep, given.window)
                share = rate * given.sleep / workers
                rows.append({"database": database, "workers": workers, "trials_a_second": rate, "share": share})
                if not given.json:
                    print(f"{database:10} {workers:3} workers: {rate:6.1f} trials/s, {share:4.0%} of sleep alone")
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
