"""What the commands are tried on: a study that is done, one without trials, and study files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT
from tests.search.cli_cases import FILES
from tests.search.makers import digits_study


@pytest.fixture
def record(finished: Callable[..., StudyRecord], monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """The study `mine`, complete and not tested, in the storage that the environment names."""
    record = finished()
    monkeypatch.setenv(ENVIRONMENT, record.url)
    return record


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Path:
    """The folder of a storage with a study without trials."""
    folder = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPSEARCH_CACHE", str(image_cache))
        digits_study(folder, "numpy").storage.close()
    return folder


@pytest.fixture
def files(fresh: Path) -> None:
    """What cli_cases says is in the current folder."""
    Path("fresh").symlink_to(fresh)
    for name, content in FILES.items():
        Path(name).write_text(content)
