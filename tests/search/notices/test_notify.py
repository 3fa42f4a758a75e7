"""--notify, from the command line: who is told, of what, and what a failed notice does to a study: nothing."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.search.conftest import Command
from tests.search.notices.servers import PASSWORD, Hook, Mailbox

STUDY = """
name = "small"
net = "numpy"
dataset = "digits"
validation = 250

[budget]
trials = 2
epochs = 1

[confirm]
top = 1
seeds = 2
report = 2

[search]
hidden_size = { choices = [8, 16] }
"""
# The command, which looks at the studies all the time.
IMPATIENT = """
from mlpsearch.search.cli import main
from mlpsearch.search.notices import watch
watch.LOOK_SECONDS = 0.2
main()
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(STUDY, encoding="utf-8")
    return str(path)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "studies.db")


def test_one_notice_says_that_a_study_is_confirmed(
    mlpsearch: Command, study: str, storage: str, hook: Hook, mailbox: Mailbox
) -> None:
    answer = mlpsearch("run", study, "--storage", storage, "--notify", hook.url, "--notify", mailbox.url)
    assert answer.code == 0, answer.err
    assert hook.events == ["confirmed"]
    document = hook.documents[0]
    assert document["title"].startswith("small is confirmed: test accuracy ")
    assert document["headline"]["test"]["opening"] == 1
    assert re.search(r"^selection bias: the search's best validation accuracy, ", document["text"], re.MULTILINE)
    [mail] = mailbox.mails
    assert mail["Subject"] == document["title"]
    assert mail.get_content().splitlines() == document["text"].splitlines()

    for command in ("run", "resume", "worker"):
        assert mlpsearch(command, "small", "--storage", storage, "--notify", hook.url).code == 0
    assert hook.events == ["confirmed"], "it was told"
    again = mlpsearch("confirm", "small", "--report", "3", "--storage", storage, "--notify", hook.url)
    assert again.code == 0, again.err
    assert hook.events == ["confirmed", "confirmed"], "another confirmation"


def test_a_notice_that_fails_is_said_without_secrets_and_the_study_is_done(
    mlpsearch: Command, study: str, storage: str, hook: Hook, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.answer, mailbox.refuses = 500, True
    monkeypatch.setenv("MLPSEARCH_NOTIFY", f"{hook.url} {mailbox.url}")
    answer = mlpsearch("run", study, "--no-evaluate", "--storage", storage)
    assert answer.code == 0
    assert f"small: the notice to http://127.0.0.1:{hook.port} was not delivered: it answered 500" in answer.err
    assert "small: the notice to mailto://… was not delivered: " in answer.err
    assert hook.events == ["searched"]
    for secret in ("s3cret", PASSWORD):
        assert secret not in answer.err + answer.out
    assert mlpsearch("status", "small", "--storage", storage, "--json").out.count('"complete"') == 1


@pytest.mark.parametrize("command", ["run", "resume", "confirm", "worker", "serve"])
def test_an_address_that_cannot_be_used_is_refused_before_anything_is_done(
    mlpsearch: Command, study: str, storage: str, command: str
) -> None:
    words = [] if command == "serve" else [study]
    answer = mlpsearch(command, *words, "--storage", storage, "--notify", "nosuch://secret")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "error: --notify nosuch://…: must be an address that Apprise takes, or http(s)://… of a webhook\n"
    )
    assert not Path(storage).exists()


def test_serve_tells_with_a_link_to_its_page(
    mlpsearch: Command, study: str, storage: str, tmp_path: Path, hook: Hook
) -> None:
    assert mlpsearch("submit", study, "--storage", storage).code == 0
    words = ["serve", "--port", "0", "--storage", storage]
    with (tmp_path / "said").open("wb") as stderr:
        service = subprocess.Popen(
            [sys.executable, "-P", "-c", IMPATIENT, *words],
            env=os.environ | {"MLPSEARCH_NOTIFY": hook.url},
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not hook.requests:
            assert service.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < deadline, (tmp_path / "said").read_text()
            time.sleep(0.05)
        assert hook.events == ["confirmed"]
        with urllib.request.urlopen(hook.documents[0]["link"], timeout=PATIENCE_SECONDS) as page:
            assert b"small" in page.read()
    finally:
        service.send_signal(signal.SIGTERM)
        code = service.wait(PATIENCE_SECONDS)
    assert code == 0
    assert hook.events == ["confirmed"]
    said = (tmp_path / "said").read_text()
    assert "s3cret" not in said
    assert "Traceback" not in said
