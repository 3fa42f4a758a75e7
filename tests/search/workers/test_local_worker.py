"""A worker as a process of this machine."""

import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlpsearch.models import threads
from mlpsearch.search.workers.local_worker import LocalWorker
from mlpsearch.search.workers.supervisor import Supervisor
from mlpsearch.search.workers.worker import worker_name
from tests.search.makers import digits_study, facts, states


def test_a_worker_claims_trials_under_the_name_that_its_starter_knows(tmp_path: Path) -> None:
    record = digits_study(tmp_path / "study", "numpy")
    started: list[LocalWorker] = []

    def start() -> LocalWorker:
        started.append(LocalWorker(record.url, record.name, 1))
        return started[-1]

    assert Supervisor(record, 1, start, lambda: None).run()
    assert states(record) == {"COMPLETE": 2}
    assert [facts(record, number)["worker"] for number in range(2)] == [started[0].name] * 2


def test_names_differ_where_host_names_and_process_numbers_are_the_same(tmp_path: Path) -> None:
    """As those of containers are."""
    record = digits_study(tmp_path / "study", "numpy")
    workers = [LocalWorker(record.url, record.name, 2) for _ in range(2)]
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
    LocalWorker("sqlite:///studies.db", None, workers)
    assert [command[-2:] for command in started] == [["--threads", share]]
