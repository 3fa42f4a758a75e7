"""A worker without a process, for tests of what happens around workers: to start a process takes seconds."""

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.search.workers.supervisor import WorkerEnd
from mlpsearch.search.workers.worker import serve_one, worker_name
from mlpsearch.studies.record import StudyRecord, open_study
from tests.search.makers import never


class WorkerHere:
    """In the place of a StudyWorker: when it is made it works, in this process, until nothing is left to do.

    What the process of a worker does is in tests/search/workers, tests/search/cli/test_cli_processes.py and
    tests/stress.
    """

    def __init__(self, url: str, study: str, count: int):
        self.name = worker_name(token=f"here{count}")
        self._end = WorkerEnd()
        record = open_study(url, study)
        try:
            serve_one(record, never, self.name)
        except MlpsearchError as error:
            self._end = WorkerEnd(error=str(error))
        finally:
            record.storage.close()

    def end(self) -> WorkerEnd:
        """Return how it ended, which it has."""
        return self._end

    def ask_to_end(self) -> None:
        """It has ended."""

    def end_now(self) -> None:
        """It has ended."""


class WorkersHere:
    """In the place of StudyWorkers."""

    def __init__(self, count: int):
        self._count = count

    def start(self, record: StudyRecord) -> WorkerHere:
        """Work on a study."""
        return WorkerHere(record.url, record.name, self._count)

    def close(self) -> None:
        """There is none left."""
