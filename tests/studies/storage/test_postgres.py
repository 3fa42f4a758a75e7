"""PostgreSQL: URLs whose password is never shown, and connections."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from mlpsearch.models.errors import MlpsearchError, StorageError
from mlpsearch.studies.storage import reconnecting
from mlpsearch.studies.storage.opening import (
    Storage,
    exclusive,
    exists,
    open_storage,
    storage_url,
    stored_names,
    without_password,
)
from mlpsearch.studies.storage.postgres import connect, masked
from tests.postgres import ESCAPED, PASSWORD, USER, Server
from tests.studies.stores import missing_storage, new_storage, on


@pytest.fixture
def url(server_url: str) -> str:
    return server_url


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "OPENING_SECONDS", 0.3)


# ---- the URL ----


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgresql+psycopg://me:secret@host:5433/db", "postgresql+psycopg://me:***@host:5433/db"),
        ("postgresql://me:secret@[::1]/db", "postgresql://me:***@[::1]/db"),
        ("postgresql://me:s%40:cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql:///db?service=mine", "postgresql:///db?service=mine"),
        ("postgresql:///db?user=me&password=secret&port=1", "postgresql:///db?user=me&password=***&port=1"),
        ("postgresql:///db?sslpassword=secret", "postgresql:///db?sslpassword=***"),
        ("postgresql:///db?Pasword=secret", "postgresql:///db?Pasword=***"),
        ("postgresql://me:@host/db", "postgresql://me:***@host/db"),
        ("sqlite:////some/a:b@c.db", "sqlite:////some/a:b@c.db"),
    ],
)
def test_a_url_is_shown_without_passwords(url: str, printed: str) -> None:
    assert without_password(url) == printed
    assert storage_url(url) == url


@pytest.mark.parametrize(
    "rest", ["me:se@cret@host/db", "me:se/cret@host/db", "me:se?cret@host/db", "host/db@secret"]
)
def test_a_password_that_could_be_taken_for_a_host_is_refused(rest: str) -> None:
    with pytest.raises(StorageError) as caught:
        storage_url(f"postgresql+psycopg://{rest}")
    assert str(caught.value) == (
        "storage postgresql+psycopg://…: may have one @, between password and host; "
        "in a password, @ / ? must be written as %40 %2F %3F"
    )


# ---- opening ----


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(MlpsearchError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    error: BaseException | None = caught.value
    while error is not None:  # nor may a traceback show it
        assert PASSWORD not in str(error)
        assert ESCAPED not in str(error)
        error = error.__cause__ or error.__context__
    return message


def test_a_storage_is_made_only_on_request(server: Server, tmp_path: Path) -> None:
    with on(server):
        url = missing_storage(tmp_path)
        assert (
            refusal(lambda: open_storage(url))
            == f"{without_password(url)}: no such storage; `mlpsearch run STUDY` makes one"
        )
        assert not exists(url)
        assert stored_names_or_none(url) is None
        open_storage(url, create=True)
        assert exists(url)
        assert stored_names(url) == []
        assert open_storage(url).optuna.get_all_studies() == []


def stored_names_or_none(url: str) -> list[str] | None:
    return stored_names(url) if exists(url) else None


def test_the_driver_need_not_be_named(url: str) -> None:
    plain = url.replace("+psycopg", "")
    assert storage_url(plain) == plain
    assert open_storage(plain).optuna.get_all_studies() == []


@pytest.mark.parametrize("act", [open_storage, exists, stored_names])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((ESCAPED, f"not-{ESCAPED}"), "password authentication failed"),
        (("/test_", "/none_"), "does not exist"),
        (("127.0.0.1", "no-such-host.invalid"), "failed to resolve host 'no-such-host.invalid'"),
        ((ESCAPED, f"{ESCAPED}%zz"), 'invalid percent-encoded token: "***"'),
        (("127.0.0.1:", "127.0.0.1:x"), "invalid integer value"),
    ],
)
def test_what_is_wrong_is_said_at_once_and_without_the_password(
    url: str, act: Callable[[str], object], change: tuple[str, str], reason: str
) -> None:
    wrong = url.replace(*change)
    message = refusal(lambda: act(wrong))
    assert message.startswith(f"{without_password(wrong)}: cannot be opened as a storage (")
    assert reason in message


def test_a_server_that_is_not_there_is_waited_for_a_little(
    url: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("mlpsearch.studies.storage.reconnecting.time.sleep", pauses.append)
    message = refusal(
        lambda: open_storage(url.replace("127.0.0.1:", "127.0.0.1:1")[: url.rindex(":") + 2] + "/db")
    )
    assert message.startswith("the storage's server cannot be reached (")
    assert pauses[:3] == [0.1, 0.2, 0.4]


def test_a_newer_schema_is_refused(url: str) -> None:
    with closing(connect(url)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    assert "no longer compatible with the table schema" in refusal(lambda: open_storage(url))


def test_without_the_driver_it_is_said_how_to_get_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert refusal(lambda: open_storage(url)) == (
        f"{without_password(url)}: needs the package psycopg: pip install 'mlpsearch[postgres]'"
    )


# ---- where passwords come from ----


@pytest.mark.parametrize("way", ["PGPASSWORD", "passfile", "service", "query"])
def test_the_password_may_come_from_elsewhere(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    database = url.rpartition("/")[2]
    address = server.url(database, password=None)
    if way == "PGPASSWORD":
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
    elif way == "passfile":
        file = tmp_path / "pgpass"
        file.write_text(f"127.0.0.1:{server.port}:*:{USER}:{PASSWORD}\n")
        file.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(file))
    elif way == "service":
        file = tmp_path / "services"
        lines = {"host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD, "dbname": database}
        file.write_text("[mine]\n" + "".join(f"{key}={value}\n" for key, value in lines.items()))
        monkeypatch.setenv("PGSERVICEFILE", str(file))
        address = "postgresql+psycopg:///?service=mine"
    else:
        address = f"postgresql+psycopg:///{database}?host={server.folder}&port={server.port}&user={USER}&password={ESCAPED}"
    assert exists(address)
    assert open_storage(address).optuna.get_all_studies() == []
    assert stored_names(address) == []
    with exclusive(address):
        pass


# ---- connections ----


def test_no_description_of_a_storage_has_the_password(storage: Storage) -> None:
    for thing in (storage, storage.optuna, storage.connections, storage.connections.database):
        assert ESCAPED not in repr(thing)
        assert PASSWORD not in repr(thing)


def test_every_connection_is_in_utc_and_waits_for_locks(storage: Storage) -> None:
    with storage.connections.transaction() as connection:
        for name, value in (
            ("TimeZone", "UTC"),
            ("default_transaction_isolation", "read committed"),
            ("lock_timeout", "2min"),
            ("idle_in_transaction_session_timeout", "2min"),
            ("tcp_keepalives_idle", "30"),
        ):
            assert connection.scalar(f"SHOW {name}") == value
    with suppress(ZeroDivisionError), storage.connections.transaction() as connection:
        raise ZeroDivisionError
    with storage.connections.transaction() as connection:
        assert connection.scalar("SHOW TimeZone") == "UTC"


def test_settings_of_the_url_come_before_ours(url: str) -> None:
    with closing(connect(f"{url}?application_name=theirs&connect_timeout=3")) as connection:
        assert connection.info.get_parameters()["application_name"] == "theirs"
        assert connection.info.get_parameters()["connect_timeout"] == "3"
        assert connection.info.get_parameters()["tcp_user_timeout"] == "30000"


def test_a_process_needs_one_connection_and_keeps_no_more(server: Server, storage: Storage, url: str) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: storage.optuna.get_all_trials(study), range(20)))
    assert storage.optuna.add_trial(study, 1, lambda _: create_trial(state=TrialState.WAITING))
    with exclusive(url):
        assert connections(server, url) == 2
    assert connections(server, url) == 1


def connections(server: Server, url: str) -> int:
    database = url.rpartition("/")[2]
    deadline = time.monotonic() + 10
    while True:  # a connection that was closed takes a moment to go
        ((count,),) = server.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'")
        if count <= 2 or time.monotonic() > deadline:
            return int(count)


def test_reading_sees_one_state_of_the_database(storage: Storage) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    with storage.connections.transaction(read_only=True) as connection:
        before = connection.scalar("SELECT count(*) FROM trials")
        storage.optuna.create_new_trial(study)
        assert connection.scalar("SELECT count(*) FROM trials") == before == 0
    assert len(storage.optuna.get_all_trials(study)) == 1


# ---- start-up ----


def test_sqlite_needs_no_driver(tmp_path: Path) -> None:
    url = new_storage(tmp_path)
    code = (
        "import sys; from mlpsearch.studies.storage.opening import open_storage; "
        f"open_storage({url!r}).optuna.get_all_studies(); assert not 'psycopg' in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], check=True)


def test_masking_is_for_the_eyes(url: str) -> None:
    assert PASSWORD not in masked(url)
    assert ESCAPED in url


def test_a_role_that_may_only_read_can_look(server: Server, url: str) -> None:
    database = url.rpartition("/")[2]
    server.execute("CREATE ROLE looker LOGIN PASSWORD 'x'")
    try:
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", database)
        theirs = f"postgresql+psycopg://looker:x@127.0.0.1:{server.port}/{database}"
        looking = open_storage(theirs, read_only=True)
        assert looking.optuna.get_all_studies() == []
        assert stored_names(theirs) == []
        looking.close()
    finally:
        server.execute("DROP OWNED BY looker", database)
        server.execute("DROP ROLE looker")
