"""The service as a command: dashboard and workers together, its health, and how it ends."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import sqlite_path
from tests.patience import PATIENCE_SECONDS
from tests.search.makers import checkpoints, digits_study, states
from tests.studies.stores import spec


@dataclass
class Service:
    """A running `mlpsearch serve`. said: its stderr."""

    process: subprocess.Popen[bytes]
    address: str
    said: Path

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def health(self) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=PATIENCE_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def end(self, *signals: signal.Signals) -> int:
        """Send it signals; return its exit code, once none of its processes is left."""
        workers = self.workers()
        for number in signals:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        assert not psutil.wait_procs(workers, timeout=PATIENCE_SECONDS)[1]
        return code


def wait_until(probe: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not probe():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    """A study of one trial that takes long."""
    made = digits_study(tmp_path / "served", "numpy")
    long = spec(name="long", trials=1, epochs=100_000, validation=250)
    return create_or_resume(made.url, long, trials=None, source=made.attributes()["source"])


@pytest.fixture(params=[1])
def service(record: StudyRecord, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service, with so many workers."""
    said = tmp_path / "said"
    words = ["serve", "--workers", str(request.param), "--port", "0", "--storage", record.url]
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlpsearch", *words], stdin=subprocess.DEVNULL, stderr=stderr
        )
    try:
        wait_until(lambda: "its health at" in said.read_text(), "the service")
        found = re.search(r"its health at (http://127\.0\.0\.1:[0-9]+)/healthz", said.read_text())
        assert found is not None
        yield Service(process, found[1], said)
    finally:
        for child in psutil.Process(process.pid).children() if process.poll() is None else []:
            child.kill()
        process.kill()
        process.wait()


@pytest.mark.parametrize("service", [2], indirect=True)
def test_its_life(service: Service, record: StudyRecord) -> None:
    """Every open study is served, a worker that dies is replaced, and SIGTERM ends it with checkpoints and 0."""
    wait_until(lambda: service.health() == (200, {"ok": True, "workers": 2, "storage": True}), "both workers")
    wait_until(lambda: len(service.workers()) == 2 and bool(checkpoints(record)), "a trial to be underway")
    for worker in service.workers():
        assert record.url not in worker.cmdline(), "where everybody could read it"
    with urllib.request.urlopen(f"{service.address}/api/studies", timeout=PATIENCE_SECONDS) as answer:
        assert {study["study_name"] for study in json.load(answer)["study_summaries"]} == {"mine", "long"}

    killed = service.workers()[0]
    killed.kill()
    killed.wait()
    notice = "a worker ended with exit code -9; another takes its place in 1 s"
    wait_until(lambda: notice in service.said.read_text(), "its death to be noticed")
    wait_until(lambda: service.health()[1]["workers"] == 2, "another in its place")

    assert service.end(signal.SIGTERM) == 0
    said = service.said.read_text()
    assert "ending after the running epochs; once more ends now" in said.splitlines()
    assert "long: loading the data" in said.splitlines()
    assert "Traceback" not in said


def test_an_end_says_which_trial_is_given_back(service: Service, record: StudyRecord) -> None:
    wait_until(lambda: states(record).get("RUNNING") == 1 and bool(checkpoints(record)), "a trial to be underway")
    assert service.end(signal.SIGTERM) == 0
    said = service.said.read_text()
    assert re.search(r"^long: trial \d+ is given back, with its checkpoint$", said, re.MULTILINE)


def test_a_second_signal_ends_it_now(service: Service, record: StudyRecord) -> None:
    wait_until(lambda: states(record).get("RUNNING") == 1, "a trial to be underway")
    for worker in service.workers():
        worker.suspend()  # it cannot end by itself
    service.process.send_signal(signal.SIGINT)
    wait_until(lambda: "once more ends now" in service.said.read_text(), "the first to be heard")
    assert service.end(signal.SIGINT) == 130


def test_workers_end_with_a_service_that_was_killed(service: Service, record: StudyRecord) -> None:
    wait_until(lambda: states(record).get("RUNNING") == 1 and bool(checkpoints(record)), "a trial to be underway")
    assert service.end(signal.SIGKILL) == -9
    assert states(record).get("WAITING") == 1


def test_a_storage_whose_file_goes_away_is_left_alone_until_it_is_back(
    service: Service, record: StudyRecord
) -> None:
    path = sqlite_path(record.url)
    wait_until(lambda: service.health()[0] == 200 and states(record).get("RUNNING") == 1, "a trial to be underway")
    record.storage.close()
    path.rename(path.with_name("away.db"))
    reason = "the storage is gone: it was moved away or deleted"
    assert service.health()[1]["reason"] == reason
    wait_until(lambda: service.health()[1]["workers"] == 0, "the workers to end")
    assert not path.exists()
    path.with_name("away.db").rename(path)
    wait_until(lambda: service.health()[0] == 200, "workers to be started again")
    assert service.end(signal.SIGTERM) == 0
    assert "Traceback" not in service.said.read_text()
