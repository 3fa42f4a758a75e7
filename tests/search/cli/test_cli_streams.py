"""The command line with standard streams that are closed, full, or of another encoding."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpsearch.studies.record import StudyRecord
from tests.patience import PATIENCE_SECONDS
from tests.search.conftest import Answer
from tests.studies.stores import new_study

SH = "exec {python} -m mlpsearch {arguments} {redirection}"


def shell(arguments: str, redirection: str, cwd: Path, **environment: str) -> Answer:
    """Run a command with its streams redirected by a shell."""
    text = SH.format(python=sys.executable, arguments=arguments, redirection=redirection)
    done = subprocess.run(
        ["sh", "-c", text],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode("latin-1"), done.stderr.decode())


FULL = "> /dev/full"
CLOSED = ">&-"


@pytest.mark.parametrize(
    ("arguments", "redirection"),
    [("list", FULL), ("--help", CLOSED), ("status", CLOSED), ("status --json", FULL)],
)
def test_what_cannot_be_shown_is_one_line(tmp_path: Path, arguments: str, redirection: str) -> None:
    answer = shell(arguments, redirection, tmp_path, MLPSEARCH_STORAGE=new_study(tmp_path).url)
    why = "No space left on device" if redirection == FULL else "Bad file descriptor"
    assert (answer.code, answer.err) == (1, f"error: standard output: cannot be written ({why})\n")


@pytest.mark.parametrize("redirection", [FULL, CLOSED])
def test_work_that_is_done_stays_done_whatever_becomes_of_the_output(
    finished: Callable[[], StudyRecord], tmp_path: Path, redirection: str
) -> None:
    record = finished()
    answer = shell("evaluate mine", redirection, tmp_path, MLPSEARCH_STORAGE=record.url)
    assert answer.code == 0, answer.err
    assert "Traceback" not in answer.err
    assert "standard output: cannot be written" in answer.err.splitlines()[-1]
    assert len(record.attributes()["tests"]) == 1


def test_work_that_is_done_stays_done_where_nobody_reads_the_output(
    finished: Callable[[], StudyRecord], tmp_path: Path
) -> None:
    record = finished()
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "mlpsearch", "evaluate", "mine", "--storage", record.url]
    done = subprocess.run(
        arguments, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=PATIENCE_SECONDS, check=False
    )
    os.close(writing)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"error" not in done.stderr
    assert len(record.attributes()["tests"]) == 1


@pytest.mark.parametrize("redirection", ["2> /dev/full", "<&- 2>&-"])
def test_messages_that_nobody_reads_are_lost_and_nothing_else(tmp_path: Path, redirection: str) -> None:
    answer = shell("status mine --json", redirection, tmp_path, MLPSEARCH_STORAGE=new_study(tmp_path).url)
    assert answer.code == 0
    assert json.loads(answer.out)["name"] == "mine"


def test_stopping_with_closed_streams(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    answer = shell("stop mine", "<&- >&- 2>&-", tmp_path, MLPSEARCH_STORAGE=record.url)
    assert answer.code == 0
    assert record.attributes()["stopped"]


@pytest.mark.parametrize(
    ("arguments", "encoding"),
    [("list", "latin-1"), ("status", "ascii"), ("status mine", "latin-1"), ("status mine --json", "ascii")],
)
def test_characters_that_an_encoding_lacks_are_replaced(tmp_path: Path, arguments: str, encoding: str) -> None:
    url = new_study(tmp_path).url
    answer = shell(arguments, "", tmp_path, MLPSEARCH_STORAGE=url, PYTHONIOENCODING=encoding)
    assert (answer.code, answer.err) == (0, "")
    if arguments == "status mine --json":
        assert json.loads(answer.out)["name"] == "mine"


def test_deleting_without_an_input_to_ask_deletes_nothing(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    answer = shell("delete mine", "<&-", tmp_path, MLPSEARCH_STORAGE=record.url)
    assert answer.code != 0
    assert "Traceback" not in answer.err
    assert record.attributes()["spec"]


def test_commands_in_messages_reach_the_storage_that_was_given(tested: StudyRecord, tmp_path: Path) -> None:
    path = tested.url.removeprefix("sqlite:///")
    stopped = shell(f"stop mine --storage {path}", "", tmp_path)
    assert stopped.err == f"mine: stopped; `mlpsearch resume mine --storage {path}` goes on\n"
    run = shell(f"run mine --storage {path} --artifacts {path}.artifacts", "", tmp_path)
    assert run.code == 0, run.err
    given = f"--storage {path} --artifacts {path}.artifacts"
    assert f"`mlpsearch run mine --trials N {given}` searches on" in run.err
    assert run.err.endswith(f"Next: mlpsearch dashboard {given}, or mlpsearch export mine -o best {given}\n")
