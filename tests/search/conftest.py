"""Everything of the user's stays in a temporary folder, and matrix products use one thread."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from threadpoolctl import threadpool_limits

from models.data import Split
from search.worker import Worker, load_study_data
from studies.datasets import TrainingData
from studies.record import StudyRecord, open_study
from studies.storage import ENVIRONMENT
from tests.models.blobs import blobs
from tests.search.makers import digits_study, never


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the digits are decoded, once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, image_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLPSEARCH_CACHE", str(image_cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # what is tested changes it for its process
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """On a busy machine the threads of these tiny products wait long for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session")
def data() -> TrainingData:
    """Fifty tiny images for training and thirty for validation."""
    training, validation = blobs()
    return TrainingData(training, validation, ("a", "b", "c"), (2, 2, 3), "f" * 64)


@pytest.fixture(scope="session")
def hard_data(data: TrainingData) -> TrainingData:
    """The same with labels drawn by lot on half of them: accuracies differ from trial to trial."""
    labels = data.training.labels.copy()
    labels[::2] = (labels[::2] * 7 + 1 + data.training.images[::2, 0]) % 3
    training = Split(data.training.images, labels, data.training.rows)
    validation = Split(data.training.images, labels, data.validation.rows)
    return TrainingData(training, validation, data.classes, data.shape, data.fingerprint)


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Callable[[str], Path]:
    """The folder of a storage whose study of the digits, with the given net, is done; made once for each."""
    made: dict[str, Path] = {}

    def get(net: str) -> Path:
        if net not in made:
            made[net] = tmp_path_factory.mktemp(net)
            record = digits_study(made[net], net)
            Worker(record, load_study_data(record), never).run()
            record.storage.engine.dispose()
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
