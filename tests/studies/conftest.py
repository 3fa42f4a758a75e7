from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpsearch.studies.data.training import TrainingData, load_training

CIFAR10_IMAGES = Path(__file__).parents[2] / ".." / "shared" / "data" / "cifar10-images.tar.gz"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, not made yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MLPSEARCH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def cifar10_training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingData]:
    """All training images of the real archive, decoded once."""
    if not CIFAR10_IMAGES.is_file():
        pytest.skip("../shared/data/cifar10-images.tar.gz is not there")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPSEARCH_CACHE", str(tmp_path_factory.mktemp("cifar10-cache")))
        yield load_training("cifar10", CIFAR10_IMAGES, validation=1000, split_seed=0)
