"""Everything of the user's is in a temporary folder, and matrix products begin with one thread."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from threadpoolctl import threadpool_limits

from mlpsearch.models.threads import use_threads
from mlpsearch.search.cli import main
from mlpsearch.search.results import finalize
from mlpsearch.search.service import evaluate
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.data import holdout
from mlpsearch.studies.data import training as datasets
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.files import file_store
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.image_options import DataOptions
from mlpsearch.studies.storage.opening import ENVIRONMENT
from mlpsearch.studies.study_data import load_study_data
from tests.models.blobs import blobs
from tests.search.makers import digits_study, never
from tests.search.worker_here import WorkersHere
from tests.studies.stores import new_study, spec
from tests.wheels import Environment, build, copy_of_the_checkout, install


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the digits are decoded, once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build("wheel", copy_of_the_checkout(folder / "tree"), folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel."""
    return install(wheel, tmp_path_factory.mktemp("other"))


@pytest.fixture(autouse=True)
def _home_and_no_idling(tmp_path: Path, image_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPSEARCH_CACHE", str(image_cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # so that it is as before when the test ends
    use_threads(1)
    for variable in (ENVIRONMENT, file_store.ENVIRONMENT, datasets.ENVIRONMENT):
        monkeypatch.setenv(variable, "")  # so that it is as before when the test ends
        monkeypatch.delenv(variable)
    for module in ("worker", "serving"):
        monkeypatch.setattr(f"mlpsearch.search.workers.{module}.IDLE_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def _nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of tests are nobody's business."""
    monkeypatch.delenv("MLPSEARCH_NOTIFY", raising=False)


@pytest.fixture(autouse=True)
def _everything_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process tell of no step, however long the machine takes for it."""
    monkeypatch.setattr("mlpsearch.search.cli.common.MOMENT_SECONDS", 3600)


@pytest.fixture(autouse=True)
def _workers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called in this process starts no other to work on a study; files that want them override this."""
    monkeypatch.setattr("mlpsearch.search.workers.placement.StudyWorkers", WorkersHere)


@pytest.fixture(autouse=True)
def _short_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in messages do not name the temporary folder of a test's storage."""
    monkeypatch.setattr("mlpsearch.studies.hints._options", lambda _: [])


@pytest.fixture(scope="package", autouse=True)
def _threads_as_before() -> Iterator[None]:
    """What is tested sets the threads of matrix products, for its whole process."""
    import torch

    before = torch.get_num_threads()
    with threadpool_limits():
        yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session")
def data() -> TrainingData:
    """A hundred and twenty tiny images for training and sixty for validation, noisy: accuracies differ."""
    training, validation = blobs(training=120, validation=60)
    noise = np.random.default_rng(1).normal(0, 60, training.images.shape)
    images = np.clip(training.images + noise, 0, 255).astype(np.uint8)
    noisy, held_out = (replace(split, images=images) for split in (training, validation))
    return TrainingData(noisy, held_out, ("a", "b", "c"), (2, 2, 3), "f" * 64)


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Callable[[str], Path]:
    """The folder of a storage whose study of the digits, with the given net, is done; made once for each."""
    made: dict[str, Path] = {}

    def get(net: str) -> Path:
        if net not in made:
            made[net] = tmp_path_factory.mktemp(net)
            record = digits_study(made[net], net)
            Worker(record, load_study_data(record), never).run()
            record.storage.close()
        return made[net]

    return get


@pytest.fixture
def finished(searched: Callable[[str], Path], tmp_path: Path) -> Callable[[str], StudyRecord]:
    """A copy of that study, with its weights, for the test alone."""

    def get(net: str = "numpy") -> StudyRecord:
        folder = tmp_path / "finished"
        shutil.copytree(searched(net), folder)
        return open_study(f"sqlite:///{folder}/studies.db", "mine")

    return get


@pytest.fixture
def tested(finished: Callable[..., StudyRecord]) -> StudyRecord:
    """A study that was tested and published."""
    record = finished()
    evaluate(record, "mlpsearch run mine")
    return record


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    """A study of three trials, none begun."""
    return new_study(tmp_path, spec(trials=3))


@pytest.fixture
def queue(record: StudyRecord) -> TrialQueue:
    """Its queue."""
    return TrialQueue(record)


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each opening of a test split."""
    opened: list[str] = []

    def note(dataset: str, data: Path | None, options: DataOptions | None = None) -> holdout.TestData:
        opened.append(dataset)
        return open_test_split(dataset, data, options)

    monkeypatch.setattr(finalize, "open_test_split", note)
    return opened


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


def document(answer: Answer) -> Any:
    """The one JSON document on stdout of a command that succeeded."""
    assert answer.code == 0
    return json.loads(answer.out)


@pytest.fixture
def mlpsearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, in this process."""

    def run(*arguments: str, answer: str = "") -> Answer:
        monkeypatch.setattr("sys.argv", ["mlpsearch", *arguments])
        monkeypatch.setattr("gc.set_threshold", lambda *_: None)  # garbage of the tests goes as before
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Answer(code, *capsys.readouterr())

    return run
