"""A worker as a task of a Ray cluster: Ray places it, spreads it over nodes, and restarts it where a node is lost.

`ray.cancel` asks it to end: Ray then interrupts the task as Ctrl-C would. What dies with a node is a heartbeat;
the queue then gives the trial to another worker. Nodes need mlpsearch installed, the storage and the study's files
in reach, and in their own environment what else workers go by: MLPSEARCH_DATA, PGPASSWORD, AWS_ACCESS_KEY_ID, …
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpsearch.models.errors import ClusterError, MlpsearchError, innermost
from mlpsearch.models.threads import use_threads
from mlpsearch.search.workers.supervisor import WorkerEnd
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.files import file_store
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.storage.opening import is_server, is_storage_failure, sqlite_path

if TYPE_CHECKING:
    from ray import ObjectRef

_RESTARTS = 3  # by Ray; the supervisor replaces a worker that died more often, until it gives up too
_PATIENCE_SECONDS = 10.0
_OURS = Path(__file__).parents[3]  # where the package is


class RayWorker:
    """A worker on a cluster, started when it is made. task: Ray's, of `_work`."""

    name = None

    def __init__(self, task: "ObjectRef[str | None]"):
        self._task = task
        self._asked = False

    def end(self) -> WorkerEnd | None:
        """Return how it ended, None while it waits for its place or runs."""
        import ray
        from ray.exceptions import RayError, TaskCancelledError

        if not ray.wait([self._task], timeout=0)[0]:
            return None
        try:
            return WorkerEnd(error=ray.get(self._task))
        except TaskCancelledError:
            return WorkerEnd()
        except RayError as error:
            return WorkerEnd(death=f"{error}".strip().splitlines()[-1])

    def ask_to_end(self) -> None:
        """Let it checkpoint its trial and end."""
        import ray

        if not self._asked:
            self._asked = True
            ray.cancel(self._task)

    def end_now(self) -> None:
        """Have Ray kill the task's process; it may take a moment to be gone."""
        import ray

        ray.cancel(self._task, force=True)


@contextmanager
def starting_on_ray(address: str, url: str, gpus: float) -> Iterator[Callable[[StudyRecord], RayWorker]]:
    """Give the function that starts one more worker on a study of the storage, on the cluster of that address.

    url: of the storage.  gpus: what part of a GPU each worker has.
    Raises ClusterError without Ray, and for a cluster that cannot be reached, see the storage, or place a worker.
    """
    with _connected(address) as nodes:
        url = url if is_server(url) else f"sqlite:///{sqlite_path(url).absolute()}"
        _refuse_unshared(url, nodes)
        _refuse_unplaceable(gpus, nodes)
        import ray

        work = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=_RESTARTS, scheduling_strategy="SPREAD")(_work)

        def start(record: StudyRecord) -> RayWorker:
            named = work.options(name=f"mlpsearch {record.name}")
            return RayWorker(named.remote(url, record.name, os.environ.get(file_store.ENVIRONMENT)))

        yield start


def _work(url: str, study: str, place: str | None) -> str | None:
    """Serve a study until it is done or the task is cancelled; return what a person must mend, if anything.

    place: of the study's files, for nodes that do not know better.
    """
    asked = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        use_threads(1)
        if place is not None:
            os.environ.setdefault(file_store.ENVIRONMENT, place)
        record = open_study(url, study)
        try:
            serve_one(record, asked.is_set)
        finally:
            record.storage.close()  # Ray keeps the process for other tasks
    except MlpsearchError as error:
        return str(error)
    except Exception as error:
        if is_storage_failure(error):
            return f"the storage cannot be used ({innermost(error)})"
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    return None


@contextmanager
def _connected(address: str) -> Iterator[list[dict[str, Any]]]:
    """Connect to a cluster while the body runs; give its nodes as Ray describes them."""
    try:
        import ray
    except ImportError as error:
        raise ClusterError("--ray needs the package ray: pip install 'mlpsearch[ray]'") from error
    _refuse_nobody(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    before = signal.getsignal(signal.SIGTERM)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # Ray tells there of workers that died
        try:
            # Ray lets workers import from the folder where the driver stands: shall that be ours, not the user's.
            with chdir(_OURS):
                ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ClusterError(f"--ray {address}: cannot be used ({reason})") from error
        finally:
            signal.signal(signal.SIGTERM, before)  # Ray takes it for itself
        try:
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
            yield [node for node in nodes if node["Alive"]]
        finally:
            ray.shutdown()


def _refuse_nobody(address: str) -> None:
    """Raise ClusterError where nobody listens at HOST:PORT; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ClusterError(f"--ray {address}: nobody answers there ({error})") from error


def _refuse_unshared(url: str, nodes: list[dict[str, Any]]) -> None:
    """Raise ClusterError where a node cannot see the storage."""
    machines = {node["NodeManagerAddress"] for node in nodes}
    if not is_server(url) and len(machines) > 1:
        raise ClusterError(
            f"{sqlite_path(url)}: SQLite works on one machine alone, and this cluster has {len(machines)}; "
            "name a PostgreSQL server with --storage"
        )


def _refuse_unplaceable(gpus: float, nodes: list[dict[str, Any]]) -> None:
    """Raise ClusterError where no node could ever run a worker; Ray itself would wait for one to join."""
    if not any(node["Resources"].get("CPU", 0) >= 1 and node["Resources"].get("GPU", 0) >= gpus for node in nodes):
        share = f" and {gpus:g} GPUs" if gpus else ""
        raise ClusterError(f"the Ray cluster has no node with 1 CPU{share}, which a worker takes")
