"""The dashboard as a command: where it listens, what it answers, how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mlpsearch.studies.record import StudyRecord
from tests.patience import PATIENCE_SECONDS
from tests.search.conftest import Command

Finished = Callable[..., StudyRecord]


def test_a_port_in_use_is_one_line(finished: Finished, mlpsearch: Command) -> None:
    record = finished()
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        answer = mlpsearch("dashboard", "--port", str(port), "--storage", record.url)
    assert (answer.code, answer.out) == (1, "")
    assert re.fullmatch(rf"error: .*port {port}: cannot be used \(.+\); name another with --port.*\n", answer.err)


def test_it_serves_the_studies_on_this_machine_alone(finished: Finished, tmp_path: Path) -> None:
    record = finished()
    record.storage.close()
    program = str(Path(sys.executable).with_name("mlpsearch"))
    command = [program, "dashboard", "--port", "0", "--storage", record.url]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            said = re.search(r"(http://127\.0\.0\.1:([0-9]+))/ ", server.stderr.readline())
            assert said is not None
            with urllib.request.urlopen(f"{said[1]}/api/studies", timeout=PATIENCE_SECONDS) as answer:
                (study,) = json.load(answer)["study_summaries"]
            with urllib.request.urlopen(f"{said[1]}/", timeout=PATIENCE_SECONDS) as answer:
                page = answer.read().decode()
            with urllib.request.urlopen(f"{said[1]}/dashboard/", timeout=PATIENCE_SECONDS) as answer:
                stock = answer.read().decode()
            with pytest.raises(ConnectionRefusedError):  # another address of this machine
                socket.create_connection(("127.0.0.2", int(said[2])), timeout=10)
        finally:
            server.send_signal(signal.SIGINT)
        rest = server.stderr.read()
    assert study["study_name"] == "mine"
    assert ">mine</a>" in page
    assert "<title>Optuna Dashboard" in stock
    assert "Traceback" not in rest
    assert server.returncode in (0, 130)
