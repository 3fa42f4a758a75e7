"""A worker as a process of this machine."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpsearch.models import threads
from mlpsearch.search.workers.local_worker import LocalWorker, StudyWorker, StudyWorkers
from mlpsearch.search.workers.supervisor import Supervisor, WorkerEnd
from mlpsearch.search.workers.worker import worker_name
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import PlannedRun, StudyRecord
from tests.search.makers import digits_study, facts, same_study, states


@pytest.fixture
def workers() -> Iterator[StudyWorkers]:
    with closing(StudyWorkers(1)) as made:
        yield made


def runs_of(record: StudyRecord) -> StudyRecord:
    """A confirmation of the study with one run."""
    (trial, *_) = record.own_trials()
    return plan_confirmation(record, [PlannedRun(trial.number, trial.params, 7)])


def test_one_process_works_on_one_study_after_the_other(tmp_path: Path, workers: StudyWorkers) -> None:
    """And claims trials under the name that its starter knows."""
    record = digits_study(tmp_path / "study", "numpy")
    started: list[StudyWorker] = []

    def start(study: StudyRecord) -> StudyWorker:
        started.append(workers.start(study))
        return started[-1]

    assert Supervisor(record, 1, start, lambda: None).run()
    assert states(record) == {"COMPLETE": 2}
    runs = runs_of(record)
    assert Supervisor(runs, 1, start, lambda: None).run()
    first, second = started
    assert first is second
    names = [facts(record, number)["worker"] for number in range(2)] + [facts(runs)["worker"]]
    assert names == [first.name] * 3


def test_one_that_was_asked_to_leave_a_study_gives_its_trial_back_and_takes_another(
    tmp_path: Path, workers: StudyWorkers
) -> None:
    record = digits_study(tmp_path / "study", "numpy")
    budget = record.spec.budget.model_copy(update={"epochs": 10_000})
    longer = record.spec.model_copy(update={"name": "long", "budget": budget})
    long = create_or_resume(record.url, longer, trials=None, source=record.attributes()["source"])

    def stop() -> None:
        if states(long) == {"RUNNING": 1}:
            supervisor.stop()

    supervisor = Supervisor(long, 1, workers.start, stop)
    assert not supervisor.run()
    assert states(long) == {"WAITING": 1}
    assert Supervisor(record, 1, workers.start, lambda: None).run()
    assert len(workers._workers) == 1


def test_one_that_died_after_its_work_is_replaced(tmp_path: Path, workers: StudyWorkers) -> None:
    record = digits_study(tmp_path / "study", "numpy")
    assert Supervisor(record, 1, workers.start, lambda: None).run()
    (died,) = workers._workers
    os.kill(died._popen.pid, signal.SIGKILL)
    died._popen.wait()
    runs = runs_of(record)
    assert Supervisor(runs, 1, workers.start, lambda: None).run()
    assert facts(runs)["worker"] == workers._workers[-1].name != died.name


def test_processes_end_with_who_started_them(tmp_path: Path) -> None:
    record = digits_study(tmp_path / "study", "numpy")
    with closing(StudyWorkers(1)) as workers:
        worker = workers.start(record)
        assert worker.end() is None
    assert worker._popen.returncode == 0
    assert worker.end() == WorkerEnd()


def test_what_a_person_must_mend_ends_it(tmp_path: Path, workers: StudyWorkers) -> None:
    record = digits_study(tmp_path / "study", "numpy")
    delete_study(same_study(record))
    worker = workers.start(record)
    while (end := worker.end()) is None:
        time.sleep(0.05)
    assert end.error is not None
    assert end.error.startswith("study 'mine': not in ")
    assert not worker.takes("mine")


def test_names_differ_where_host_names_and_process_numbers_are_the_same(tmp_path: Path) -> None:
    """As those of containers are."""
    record = digits_study(tmp_path / "study", "numpy")
    workers = [StudyWorker(record.url, 2) for _ in range(2)]
    for worker in workers:
        worker.end_now()
    names = [worker.name.split(":") for worker in workers]
    assert {host for host, *_ in names} == {socket.gethostname()}
    assert len({token for *_, token in names}) == 2
    assert worker_name(7, "a") != worker_name(7, "b")
    assert worker_name() == worker_name(os.getpid())


@pytest.mark.parametrize(
    ("environment", "cores", "workers", "share"),
    [("", 8, 1, "8"), ("", 8, 3, "2"), ("", 2, 4, "1"), ("4,2", 8, 2, "2"), ("1", 8, 2, "1"), ("many", 6, 2, "3")],
)
def test_the_workers_of_a_machine_share_the_threads_that_there_are(
    environment: str, cores: int, workers: int, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each core to be had, or as many as OMP_NUM_THREADS says."""
    started: list[list[str]] = []

    def start(command: list[str], **_: Any) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(pid=1)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    monkeypatch.setenv("OMP_NUM_THREADS", environment)
    LocalWorker("sqlite:///studies.db", workers)
    assert [command[-2:] for command in started] == [["--threads", share]]
