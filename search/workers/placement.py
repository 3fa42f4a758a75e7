"""Where the workers of a study run: on this machine, or on a Ray cluster."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from mlpsearch.search.workers.local_worker import StudyWorkers
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
    def starting(self, url: str) -> Iterator[Callable[[StudyRecord], RunningWorker]]:
        """Give the function that starts one more worker on a study of the storage.

        Raises ClusterError for a cluster that cannot be used.
        """
        if self.ray is None:
            with closing(StudyWorkers(self.workers)) as workers:
                yield workers.start
            return
        from mlpsearch.search.workers.ray_worker import starting_on_ray

        with starting_on_ray(self.ray, url, self.gpus) as start:
            yield start
