"""Where the workers of a study run: on this machine, or on a Ray cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlpsearch.search.workers.local_worker import LocalWorker
from mlpsearch.search.workers.supervisor import RunningWorker
from mlpsearch.studies.record import StudyRecord


@dataclass(frozen=True, slots=True)
class Placement:
    """How many workers, and where.

    ray: the address of a Ray cluster, None for this machine.
    gpus: what part of a GPU each worker on Ray has, 0 to 1.
    """

    workers: int
    ray: str | None = None
    gpus: float = 0.0

    @contextmanager
    def starting(self, record: StudyRecord) -> Iterator[Callable[[], RunningWorker]]:
        """Give the function that starts one more worker. Raises ClusterError for a cluster that cannot be used."""
        if self.ray is None:
            yield lambda: LocalWorker(record.url, record.name, self.workers)
            return
        from mlpsearch.search.workers.ray_worker import starting_on_ray

        with starting_on_ray(self.ray, record, self.gpus) as start:
            yield start
