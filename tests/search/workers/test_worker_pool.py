"""The workers of a machine that stays up: which are replaced, and when."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mlpsearch.search.workers import worker_pool
from mlpsearch.search.workers.supervisor import WorkerEnd
from mlpsearch.search.workers.worker_pool import WorkerPool
from tests.patience import PATIENCE_SECONDS


@dataclass
class Fake:
    """A worker that ends when it is told to, and how it is told to."""

    started: float
    how: WorkerEnd | None = None
    obeys: bool = True
    killed: bool = False

    def end(self) -> WorkerEnd | None:
        return self.how

    def ask_to_end(self) -> None:
        if self.obeys:
            self.how = WorkerEnd()

    def end_now(self) -> None:
        self.killed = self.how is None
        self.how = self.how or WorkerEnd(death="killed")


class Running:
    """A pool that runs in a thread, at a hundredth of the usual times."""

    def __init__(self, count: int) -> None:
        self.said: list[str] = []
        self.workers: list[Fake] = []
        self.pool = WorkerPool("sqlite:///none.db", count, self.said.append)
        self.thread = threading.Thread(target=self.pool.run)

    def wait_for(self, workers: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.workers) < workers or self.pool.alive < 1:
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    for name in ("_LOOK_SECONDS", "_SHORTEST_PAUSE", "_LONGEST_PAUSE", "_PATIENCE_SECONDS"):
        monkeypatch.setattr(worker_pool, name, getattr(worker_pool, name) / 100)

    def start(url: str, count: int) -> Fake:
        assert (url, count) == ("sqlite:///none.db", 2)
        running.workers.append(Fake(time.monotonic()))
        return running.workers[-1]

    monkeypatch.setattr(worker_pool, "LocalWorker", start)
    running = Running(2)
    running.thread.start()
    running.wait_for(2)
    yield running
    running.pool.stop()
    running.thread.join()


def test_one_that_dies_is_replaced_and_the_others_stay(two: Running) -> None:
    assert two.pool.alive == 2
    two.workers[0].how = WorkerEnd(death="ended with exit code -9")
    two.wait_for(3)
    assert len(two.workers) == 3
    assert two.said == ["a worker ended with exit code -9; another takes its place in 0.01 s"]


def test_one_that_died_does_not_count(two: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_LONGEST_PAUSE", 3600.0)
    monkeypatch.setattr(worker_pool, "_SHORTEST_PAUSE", 3600.0)
    two.workers[0].how = WorkerEnd(death="died")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not two.said:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert two.pool.alive == 1


def test_one_that_dies_again_and_again_is_replaced_less_and_less_often(two: Running) -> None:
    for number in range(2, 10):
        two.workers[-1 if number > 2 else 0].how = WorkerEnd(death="died")
        two.wait_for(number + 1)
    pauses = [float(line.split()[-2]) for line in two.said]
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.6, 0.6]
    starts = [worker.started for worker in two.workers[2:]]
    assert all(later - one >= pause for one, later, pause in zip(starts, starts[1:], pauses[1:], strict=False))


def test_one_that_lived_long_is_replaced_soon(two: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (2, 3):
        two.workers[0 if number == 2 else -1].how = WorkerEnd()
        two.wait_for(number + 1)
    monkeypatch.setattr(worker_pool, "_SOON_SECONDS", 0.0)
    two.workers[-1].how = WorkerEnd()
    two.wait_for(5)
    assert [line.split()[-2] for line in two.said] == ["0.01", "0.02", "0.01"]


def test_told_to_stop_it_lets_them_end(two: Running) -> None:
    two.pool.stop()
    two.thread.join(PATIENCE_SECONDS)
    assert [worker.killed for worker in two.workers] == [False, False]
    assert two.said == ["ending after the running epochs; once more ends now"]


def test_those_that_do_not_end_are_killed_after_a_while(two: Running) -> None:
    two.workers[1].obeys = False
    started = time.monotonic()
    two.pool.stop()
    two.thread.join(PATIENCE_SECONDS)
    assert time.monotonic() - started >= 0.2
    assert not two.thread.is_alive()
    assert [worker.killed for worker in two.workers] == [False, True]


def test_told_twice_it_kills_them(two: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_PATIENCE_SECONDS", 3600)
    for worker in two.workers:
        worker.obeys = False
    two.pool.stop()
    time.sleep(0.1)
    assert two.thread.is_alive()
    two.pool.stop()
    two.thread.join(PATIENCE_SECONDS)
    assert [worker.killed for worker in two.workers] == [True, True]
