"""A worker process of this machine: with which share of its cores it is started."""

import subprocess
from typing import Any

import pytest

from models import threads
from search import local_worker
from search.local_worker import LocalWorker


@pytest.mark.parametrize(
    ("environment", "cores", "workers", "share"),
    [("", 8, 1, "8"), ("", 8, 3, "2"), ("", 2, 4, "1"), ("4,2", 8, 2, "2"), ("1", 8, 2, "1"), ("many", 6, 2, "3")],
)
def test_the_workers_of_a_machine_share_the_threads_that_there_are(
    environment: str, cores: int, workers: int, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each core to be had, or as many as OMP_NUM_THREADS says."""
    started: list[list[str]] = []

    def start(command: list[str], **_: Any) -> None:
        started.append(command)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    monkeypatch.setenv("OMP_NUM_THREADS", environment)
    LocalWorker("sqlite:///studies.db", None, workers)
    assert started == [[*local_worker._COMMAND, "--threads", share]]
