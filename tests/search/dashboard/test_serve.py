"""The server: where it listens, how fast it answers, and how it ends."""

import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.search.dashboard.address import Address, listen
from mlpsearch.search.dashboard.publish import publish
from mlpsearch.search.dashboard.server import guarded, serve
from mlpsearch.studies.record import StudyRecord
from tests.patience import PATIENCE_SECONDS
from tests.search.conftest import Command
from tests.search.dashboard.makers import READ_ONLY, ask, running, study_to_see
from tests.search.makers import TESTED

TRIALS, EPOCHS = 1000, 30
POLL_SECONDS = 0.5


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
    return port


# ---- where ----


@pytest.mark.parametrize(
    ("host", "public", "loopback"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "localhost", True),
        ("127.9.9.9", "127.9.9.9", True),
        ("0.0.0.0", socket.gethostname().lower(), False),
    ],
)
def test_only_loopback_goes_without_a_token(host: str, public: str, loopback: bool) -> None:
    with listen(host, 0) as listener:
        address = Address.of(host, listener)
        assert (address.public, address.loopback) == (f"{public}:{listener.getsockname()[1]}", loopback)
        assert address.knows(address.public)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6_has_brackets_in_addresses(host: str) -> None:
    with listen(host, 0) as listener:
        assert Address.of(host, listener).public == f"[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    "host", ["", "no such host", "no-such-host.invalid", "a" * 70, "[::1", "http://localhost"]
)
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(StudyError, match=f"host {re.escape(repr(host))}: must be a name or an address"):
        listen(host, 0)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(
        StudyError, match=r"192\.0\.2\.1, port 0: cannot be used .*; name another with --port or --host"
    ):
        listen("192.0.2.1", 0)


def test_a_port_in_use_is_one_clear_line(shared: StudyRecord, mlpsearch: Command, busy: int) -> None:
    answer = mlpsearch("dashboard", "--port", str(busy), "--storage", shared.url)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.splitlines() == [
        f"error: 127.0.0.1, port {busy}: cannot be used (Address already in use); "
        "name another with --port or --host"
    ]


def test_on_all_addresses_the_printed_one_lets_a_browser_in(shared: StudyRecord) -> None:
    with running(serve(shared.storage, host="0.0.0.0", port=0)) as address:
        name = re.escape(socket.gethostname().lower())
        found = re.fullmatch(rf"http://{name}:(\d+)/(\?token=\S{{43}})", address)
        assert found
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        here = f"http://127.0.0.1:{found[1]}"
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            opener.open(f"{here}/api/studies")
        refused.value.close()
        with opener.open(f"{here}/{found[2]}") as page:
            assert page.url == f"{here}/"
        with opener.open(f"{here}/api/studies") as studies:
            assert b"mine" in studies.read()


def test_each_start_has_a_token_of_its_own(shared: StudyRecord) -> None:
    tokens = set()
    for _ in range(2):
        with running(serve(shared.storage, host="0.0.0.0", port=0)) as address:
            tokens.add(address.partition("=")[2])
    assert len(tokens) == 2


# ---- what the server around the guard adds ----


def test_a_request_too_large_is_refused_before_it_is_read(shared: StudyRecord) -> None:
    with running(serve(shared.storage, host="127.0.0.1", port=0)) as address:
        port = int(address.split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
            head = f"POST /api/studies HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {2 << 20}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 413")


# ---- how fast ----


def test_a_poll_of_a_thousand_trials_is_fast(tmp_path: Path) -> None:
    record = study_to_see(tmp_path / "large", trials=1, epochs=EPOCHS)
    _multiply(record)
    record.set("tests", [TESTED])
    publish(record)
    read_all = guarded(record.storage, READ_ONLY)
    detail = json.loads(ask(read_all, "/api/studies/1").body)
    assert len(detail["trials"]) == TRIALS
    assert {len(trial["intermediate_values"]) for trial in detail["trials"]} == {EPOCHS}
    assert len(detail["plotly_graph_objects"]) == 2
    assert min(_poll(record) for _ in range(3)) < POLL_SECONDS
    record.storage.close()


def _poll(record: StudyRecord) -> float:
    """Seconds of a poll that finds nothing in optuna-dashboard's own cache, which lasts ten seconds.

    They are the processor's: on a busy machine others use the clock's.
    """
    app = guarded(record.storage, READ_ONLY)
    started = time.process_time()
    assert ask(app, "/api/studies/1", query=f"after={TRIALS}").status == 200
    return time.process_time() - started


def _multiply(record: StudyRecord) -> None:
    """Copy the first trial in the database; through Optuna it would take a minute."""
    with record.storage.connections.transaction() as connection:
        connection.execute(
            f"WITH RECURSIVE copy(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM copy WHERE i < {TRIALS - 1}) "
            "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) "
            "SELECT i, study_id, state, datetime_start, datetime_complete FROM trials, copy"
        )
        for table, columns in (
            ("trial_params", "param_name, param_value, distribution_json"),
            ("trial_values", "objective, value, value_type"),
            ("trial_intermediate_values", "step, intermediate_value, intermediate_value_type"),
            ("trial_user_attributes", "key, value_json"),
        ):
            connection.execute(
                f"INSERT INTO {table} (trial_id, {columns}) SELECT trials.trial_id, "
                f"{', '.join(f'old.{column.strip()}' for column in columns.split(','))} "
                f"FROM {table} AS old, trials WHERE trials.number > 0"
            )


# ---- how it ends ----


def test_the_command_serves_until_ctrl_c_and_ends_cleanly(
    shared: StudyRecord, mlpsearch: Command, free: int
) -> None:
    with ThreadPoolExecutor() as pool:
        visit = pool.submit(_visit_and_interrupt, free)
        answer = mlpsearch("dashboard", "--port", str(free), "--storage", shared.url)
        assert b"mine" in visit.result()
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.splitlines() == [f"dashboard at http://127.0.0.1:{free}/ (Ctrl-C ends it)"]


def _visit_and_interrupt(port: int) -> bytes:
    """Read from the server that this process is about to start, then press its Ctrl-C."""
    address = f"http://127.0.0.1:{port}/api/studies"
    for _ in range(int(PATIENCE_SECONDS * 10)):
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
                seen: bytes = answer.read()
        except OSError:
            time.sleep(0.1)
        else:
            os.kill(os.getpid(), signal.SIGINT)
            return seen
    raise TimeoutError("no server")
