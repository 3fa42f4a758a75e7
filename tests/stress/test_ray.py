"""Workers on a Ray cluster of several nodes: nodes that go, drivers that are killed, Ctrl-C, shares of a GPU."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.search.workers import ray_worker
from mlpsearch.search.workers.placement import Placement
from mlpsearch.search.workers.ray_worker import RayWorker, starting_on_ray
from mlpsearch.search.workers.supervisor import Supervisor, WorkerEnd
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from tests.patience import PATIENCE_SECONDS
from tests.postgres import ESCAPED, Server
from tests.stress.conftest import NewDriver, Reference
from tests.stress.driver import Command, Driver, wait_until
from tests.stress.exact import assert_exact, assert_same
from tests.stress.ledger import Row
from tests.studies.stores import new_study

stress = pytest.mark.stress
NODES, PROCESSORS = 2, 2  # of a node, which has one GPU as well, so far as Ray knows
OBJECT_STORE = 80 * 2**20  # bytes: nearly the least that Ray takes, and more than is used


class Cluster:
    """A head, which runs no workers, and nodes that do."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE}
        self._cluster = RayCluster(initialize_head=True, head_node_args=head)
        self.nodes: list[Any] = []
        for _ in range(NODES):
            self.add()

    @property
    def address(self) -> str:
        """For --ray."""
        return str(self._cluster.address)

    def add(self) -> None:
        """One more node."""
        more: dict[str, Any] = {"num_cpus": PROCESSORS, "num_gpus": 1, "object_store_memory": OBJECT_STORE}
        self.nodes.append(self._cluster.add_node(**more))

    def lose_node_of(self, worker: psutil.Process) -> None:
        """Take away the node that a worker runs on, at once, as a power cut does; another joins later."""
        raylets = {one.process.pid: node for node in self.nodes for one in node.all_processes["raylet"]}
        node = next(raylets[parent.pid] for parent in worker.parents() if parent.pid in raylets)
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)
        assert not psutil.wait_procs([worker], timeout=PATIENCE_SECONDS)[1]

    def logs_without(self, secret: str) -> int:
        """How many files Ray has written; in none of them is the secret."""
        head: Any = self._cluster.head_node
        files = [path for path in Path(head.get_session_dir_path()).rglob("*") if path.is_file()]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        return len(files)

    def end(self) -> None:
        """End all its processes."""
        self._cluster.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def cluster(cache: Path) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPSEARCH_CACHE", str(cache))
        patch.setenv("CC", "no-compiler")  # as Driver has it: workers have the environment of their node
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster()
        yield made
        made.end()
    assert not _alive(psutil.Process().children(recursive=True))


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)[1]


def worker_of(row: Row) -> psutil.Process | None:
    """The process that runs a trial, None once it is gone."""
    with suppress(psutil.Error):
        process = psutil.Process(int(row.attributes["worker"].split(":")[-2]))
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    return None


def workers_of(driver: Driver) -> dict[int, psutil.Process]:
    """The processes that run trials now, by the trial's id."""
    rows = [row for row in driver.ledger.in_state("RUNNING") if "worker" in row.attributes]
    return {row.trial_id: worker for row in rows if (worker := worker_of(row))}


def lost_trials(driver: Driver) -> list[int]:
    """The ids of running trials that nobody runs."""
    alive = workers_of(driver)
    return [row.trial_id for row in driver.ledger.in_state("RUNNING") if row.trial_id not in alive]


def deaths(driver: Driver) -> int:
    """How often workers left trials behind, as the study has it."""
    return sum(row.attributes.get("deaths", 0) for row in driver.ledger.rows())


def let_grace_pass(driver: Driver, trials: list[int]) -> None:
    """Make it look as if these trials of a server's study had had no heartbeat for an hour."""
    with driver.ledger.connection() as connection:
        for trial in trials:
            connection.execute(
                "UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour' WHERE trial_id = %s",
                (trial,),
            )


def assert_ended_well(command: Command) -> None:
    assert command.wait() == 0, command.errors()
    for text in (command.said(), command.errors()):
        assert "Traceback" not in text, text
        assert "raylet" not in text, "what Ray says does not come out"


# ---- whole studies ----


def test_a_study_that_has_it_all(
    new_driver: NewDriver, server: Server, reference: Reference, cluster: Cluster
) -> None:
    """Ctrl-C, a killed driver, and a lost node, one after the other."""
    trials = 20
    driver = new_driver(trials, server=server)
    options = ("--ray", cluster.address, "--workers", 2)

    first = driver.run(*options)
    driver.wait_for_trials(2)
    first.signal(signal.SIGINT)
    assert first.wait() == 130
    assert "ending after the running epochs; once more ends now" in first.errors()
    assert "`mlpsearch resume stressed --no-evaluate --artifacts " in first.errors()
    assert not driver.ledger.in_state("RUNNING"), "they have given their trials back"
    assert not [row.number for row in driver.ledger.rows() if "deaths" in row.attributes]

    second = driver.resume(*options)
    driver.wait_for_trials(4)
    workers = [*workers_of(driver).values()]
    second.popen.kill()
    assert not psutil.wait_procs(workers, timeout=PATIENCE_SECONDS)[1], "they end with their driver"
    killed = lost_trials(driver)
    let_grace_pass(driver, killed)

    third = driver.resume(*options)
    wait_until(lambda: deaths(driver) == len(killed) or None, "the lost trials to be found")
    driver.wait_for_trials(7)
    cluster.lose_node_of(wait_until(lambda: next(iter(workers_of(driver).values()), None), "a worker in a trial"))
    cut_off = lost_trials(driver)
    let_grace_pass(driver, cut_off)
    assert_ended_well(third)
    cluster.add()

    rows = assert_exact(driver)
    assert_same(rows, reference(trials))
    assert deaths(driver) == len(killed) + len(cut_off)
    assert cluster.logs_without(ESCAPED) > 0


@stress
def test_nodes_are_lost(new_driver: NewDriver, reference: Reference, cluster: Cluster) -> None:
    driver, trials, losses = new_driver(100), 100, 6
    command = driver.run("--ray", cluster.address, "--workers", 4)
    lost: set[tuple[int, object]] = set()
    for number in range(1, losses + 1):
        driver.wait_for_trials(number * 12)
        cluster.lose_node_of(
            wait_until(lambda: next(iter(workers_of(driver).values()), None), "a worker in a trial")
        )
        # With their attempts: what was lost before, and is not given back yet, is the same once more.
        attempts = {row.trial_id: row.attributes.get("attempt") for row in driver.ledger.in_state("RUNNING")}
        lost |= {(trial, attempts[trial]) for trial in lost_trials(driver) if trial in attempts}
        cluster.add()
    assert_ended_well(command)
    rows = assert_exact(driver)
    assert_same(rows, reference(trials))
    assert sum(row.attributes.get("deaths", 0) for row in rows) == len(lost) > 0
    what = f"{losses} nodes lost, and {len(lost)} running trials with them"
    print(f"\n{what}: {len(rows)} of {trials}, the same accuracies")


@stress
def test_drivers_are_killed(new_driver: NewDriver, reference: Reference, cluster: Cluster) -> None:
    driver, trials, kills = new_driver(60), 60, 5
    command = driver.run("--ray", cluster.address, "--workers", 4)
    for number in range(1, kills + 1):
        driver.wait_for_trials(number * 9)
        command.popen.kill()
        command = driver.resume("--ray", cluster.address, "--workers", 4)
    assert_ended_well(command)
    rows = assert_exact(driver)
    assert_same(rows, reference(trials))
    print(f"\n{kills} drivers killed: {len(rows)} of {trials} trials, the same accuracies")


# ---- single workers ----


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path)


Work = Callable[[str, str, str | None], str | None]


def work_is(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    """Let this be what each task does; its result comes back as an error to mend."""
    monkeypatch.setattr(ray_worker, "_work", work)


def end_of(worker: RayWorker) -> WorkerEnd:
    return wait_until(worker.end, "a worker to end")


def test_workers_share_gpus(
    cluster: Cluster, record: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = NODES * 2
    folder = tmp_path / "here"
    folder.mkdir()

    def wait_for_all(url: str, study: str, place: str | None) -> str | None:
        import time

        (folder / str(os.getpid())).touch()
        while len([*folder.iterdir()]) < count:
            time.sleep(0.01)
        return os.environ["CUDA_VISIBLE_DEVICES"]

    work_is(monkeypatch, wait_for_all)
    before = signal.getsignal(signal.SIGTERM)
    with starting_on_ray(cluster.address, record.url, gpus=0.5) as start:
        assert signal.getsignal(signal.SIGTERM) == before, "that Ray takes for itself"
        workers = [start(record) for _ in range(count)]
        assert [end_of(worker) for worker in workers] == [WorkerEnd(error="0")] * count


def test_a_worker_that_dies_is_restarted_by_ray_but_not_for_ever(
    cluster: Cluster, record: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(url: str, study: str, place: str | None) -> str | None:
        (tmp_path / f"{os.getpid()}.started").touch()
        os._exit(1)

    work_is(monkeypatch, die)
    with starting_on_ray(cluster.address, record.url, gpus=0) as start:
        end = end_of(start(record))
    assert end.error is None
    assert end.death
    assert len([*tmp_path.glob("*.started")]) == 1 + ray_worker._RESTARTS


def test_a_worker_that_waits_for_its_place_can_be_asked_to_end(
    cluster: Cluster, record: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay(url: str, study: str, place: str | None) -> str | None:
        import time

        (tmp_path / f"{os.getpid()}.started").touch()
        while True:
            time.sleep(0.01)

    work_is(monkeypatch, stay)
    with starting_on_ray(cluster.address, record.url, gpus=1) as start:
        running = [start(record) for _ in range(NODES)]
        wait_until(lambda: len([*tmp_path.glob("*.started")]) == NODES or None, "the workers")
        waiting = start(record)
        waiting.ask_to_end()
        assert end_of(waiting) == WorkerEnd()
        assert [worker.end() for worker in running] == [None] * NODES
        for worker in running:
            worker.end_now()
        assert not _alive([psutil.Process(int(path.stem)) for path in tmp_path.glob("*.started")])


def test_what_raises_is_known_by_its_last_line(
    cluster: Cluster, record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str, study: str, place: str | None) -> str | None:
        raise ValueError("a bug")

    work_is(monkeypatch, fail)
    with starting_on_ray(cluster.address, record.url, gpus=0) as start:
        assert end_of(start(record)) == WorkerEnd(death="ValueError: a bug")


def test_what_a_person_must_mend_is_one_line(cluster: Cluster, record: StudyRecord) -> None:
    """The images are not those that the study was made with."""
    placement = Placement(2, cluster.address)
    with placement.starting(record.url) as start:
        supervisor = Supervisor(record, 2, start, lambda: None)
        with pytest.raises(StudyError, match=r"^study mine: its training images had the fingerprint ffff"):
            supervisor.run()


def test_a_deleted_study_is_one_line(cluster: Cluster, record: StudyRecord) -> None:
    def delete() -> None:
        delete_study(record)

    with Placement(1, cluster.address).starting(record.url) as start:
        supervisor = Supervisor(record, 1, start, delete)
        with pytest.raises(StudyError, match=r"^study mine: was deleted from "):
            supervisor.run()
