"""Shells complete commands, options and the names of studies."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlpsearch.search.cli import cli
from mlpsearch.search.cli.completion import StudyName
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.storage.opening import ENVIRONMENT
from tests.patience import PATIENCE_SECONDS
from tests.search.conftest import Command
from tests.studies.stores import SOURCE, new_storage, spec

MLPSEARCH = Path(sys.executable).with_name("mlpsearch")


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """A storage with two studies, one of them with the runs of a confirmation."""
    url = new_storage(tmp_path)
    for name in ("mine", "pets-2"):
        create_or_resume(url, spec(name=name), trials=None, source=SOURCE)
    return url


def completed(mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What bash is offered for the last word."""
    with monkeypatch.context() as patch:
        patch.setenv("_MLPSEARCH_COMPLETE", "bash_complete")
        patch.setenv("COMP_WORDS", " ".join(["mlpsearch", *words]))
        patch.setenv("COMP_CWORD", str(len(words)))
        answer = mlpsearch(*words)
    assert (answer.code, answer.err) == (0, "")
    return [line for line in answer.out.splitlines() if line]


@pytest.mark.parametrize(
    "command", ["status", "resume", "confirm", "stop", "evaluate", "report", "export", "worker"]
)
def test_the_names_of_the_storage_are_completed(
    storage: str, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv(ENVIRONMENT, storage)
    assert completed(mlpsearch, monkeypatch, command, "") == ["plain,mine", "plain,pets-2"]
    assert completed(mlpsearch, monkeypatch, command, "pe") == ["plain,pets-2"]


def test_they_are_those_of_the_storage_that_is_named(
    storage: str, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed(mlpsearch, monkeypatch, "status", "--storage", storage, "m") == ["plain,mine"]
    assert completed(mlpsearch, monkeypatch, "compare", "--storage", storage, "mine", "p") == ["plain,pets-2"]
    assert completed(mlpsearch, monkeypatch, "submit", "--storage", storage, "--like", "p") == ["plain,pets-2"]
    assert completed(mlpsearch, monkeypatch, "status", "m") == []
    assert completed(mlpsearch, monkeypatch, "status", "--storage", "mysql://h/d", "m") == []


def test_where_a_file_may_stand_ready_studies_and_files_are_completed_too(
    storage: str, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, storage)
    assert completed(mlpsearch, monkeypatch, "run", "digits") == ["plain,digits-numpy", "plain,digits-torch"]
    assert completed(mlpsearch, monkeypatch, "check", "mi") == ["plain,mine"]
    assert completed(mlpsearch, monkeypatch, "submit", "./pets") == ["file,./pets"]


def test_every_argument_that_is_a_study_is_completed() -> None:
    arguments = [
        one for command in cli.commands.values() for one in command.params if one.name in ("study", "studies")
    ]
    assert len(arguments) > 10
    assert [one for one in arguments if not isinstance(one.type, StudyName)] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(tmp_path: Path, shell: str) -> None:
    environment = {"_MLPSEARCH_COMPLETE": f"{shell}_source", "PATH": f"{MLPSEARCH.parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["mlpsearch"], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, "_mlpsearch_completion" in done.stdout) == (0, True)
    assert f'eval "$(_MLPSEARCH_COMPLETE={shell}_source mlpsearch)"' in page() or shell == "fish"
    assert f"_MLPSEARCH_COMPLETE={shell}_source mlpsearch" in page()


def page() -> str:
    return (Path(__file__).parents[3] / "docs" / "terminal.md").read_text("utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_offers_the_names(storage: str, tmp_path: Path) -> None:
    script = (
        'eval "$(_MLPSEARCH_COMPLETE=bash_source mlpsearch)"\n'
        "COMP_WORDS=(mlpsearch status pe) COMP_CWORD=2\n"
        '_mlpsearch_completion mlpsearch\necho "${COMPREPLY[@]}"\n'
    )
    environment = {"PATH": f"{MLPSEARCH.parent}:/usr/bin:/bin", ENVIRONMENT: storage, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("pets-2\n", "")
