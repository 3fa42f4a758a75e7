"""Nothing that is printed, written or kept has the password of the storage in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT, without_password
from mlpsearch.studies.study_data import load_study_data
from tests.postgres import ESCAPED, PASSWORD, Server
from tests.search.conftest import Command
from tests.search.makers import digits_study, never
from tests.studies.stores import new_study, on

SECRETS = (PASSWORD, ESCAPED)

TABLES = (
    *("studies", "study_user_attributes", "study_system_attributes"),
    *("trials", "trial_user_attributes", "trial_system_attributes"),
)


@pytest.fixture
def finished_study(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudyRecord]:
    with on(server):
        record = digits_study(tmp_path / "study", "numpy")
        monkeypatch.setenv(ENVIRONMENT, record.url)
        Worker(record, load_study_data(record), never).run()
        yield record


@pytest.fixture(autouse=True)
def _workers_here() -> None:
    """No: they are processes, which have the storage's URL."""


def assert_no_secret(where: str, content: str) -> None:
    for secret in SECRETS:
        assert secret not in content, where


def test_a_study_from_making_to_export(finished_study: StudyRecord, mlpsearch: Command, tmp_path: Path) -> None:
    commands = [
        ("list",),
        ("list", "--json"),
        ("status",),
        ("status", "mine"),
        ("status", "mine", "--json"),
        ("evaluate", "mine"),
        ("confirm", "mine", "--top", "1", "--seeds", "2"),
        ("submit", "mine", "--trials", "3"),
        ("stop", "mine"),
        ("export", "mine", "-o", "best", "--trials", "trials.csv"),
        ("export", "mine", "-o", "best.json"),
        ("report", "mine", "-o", "report.html"),
        ("gc",),
    ]
    place = without_password(finished_study.url)
    seen = ""
    for words in commands:
        answer = mlpsearch(*words)
        assert answer.code == 0, answer.err
        assert_no_secret(" ".join(words), answer.out + answer.err)
        seen += answer.out + answer.err
    assert seen.count(place) >= 4
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert_no_secret(str(file), file.read_bytes().decode(errors="replace"))
    with finished_study.storage.connections.transaction() as connection:
        for table in TABLES:
            rows = connection.execute(f"SELECT * FROM {table}")
            assert_no_secret(table, str(rows))


@pytest.mark.parametrize(
    "words",
    [
        ("status", "nothing"),
        ("run", "mine.toml"),
        ("delete", "mine"),
        ("worker", "nothing"),
        ("status", "--storage", f"postgresql://tester:{ESCAPED}@127.0.0.1/nothing?port=x"),
        ("list", "--storage", f"postgresql://tester:not{ESCAPED}@HOST/nothing"),
        ("list", "--storage", f"postgresql://tester:{PASSWORD}@127.0.0.1/nothing"),
        ("list", "--storage", f"postgres://tester:{ESCAPED}@127.0.0.1/nothing"),
    ],
)
def test_errors(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlpsearch: Command, words: tuple[str, ...]
) -> None:
    with on(server):
        record = new_study(tmp_path / "study")
        monkeypatch.setenv(ENVIRONMENT, record.url)
        changed = record.spec.model_copy(update={"seed": 9})
        write_spec(tmp_path / "mine.toml", changed.to_json())
        answer = mlpsearch(*(word.replace("HOST", f"127.0.0.1:{server.port}") for word in words), answer="n\n")
        assert answer.code
        assert answer.err
        assert_no_secret(" ".join(words), answer.out + answer.err)


def write_spec(path: Path, document: dict[str, object]) -> None:
    path.write_text(tomli_w.dumps(document))
