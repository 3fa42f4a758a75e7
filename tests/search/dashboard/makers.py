"""A study to look at, without training; a browser of few words; and a server that runs beside the test."""

import html
import io
import json
import math
import random
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults

from optuna.artifacts import upload_artifact
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from mlpsearch.search.dashboard.address import Address
from mlpsearch.search.dashboard.guard import Rules
from mlpsearch.search.dashboard.server import Server, artifact_store, guarded
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import sqlite_path
from tests.search.makers import add_own
from tests.studies.stores import new_study

HERE = "127.0.0.1:8080"
ADDRESS = Address(frozenset({"127.0.0.1", "localhost", "[::1]"}), HERE, 8080, loopback=True, everywhere=False)
READ_ONLY = Rules(ADDRESS, token=None, allow_writes=False)
WRITABLE = Rules(ADDRESS, token=None, allow_writes=True)

HOSTILE = '"><script>alert(1)</script>'

PNG = io.BytesIO()
Image.new("RGB", (8, 4), "red").save(PNG, "PNG")

_SPACE = {"hidden_size": IntDistribution(4, 16), "learning_rate": FloatDistribution(1e-3, 0.1, log=True)}


def study_to_see(folder: Path, trials: int = 4, epochs: int = 3) -> StudyRecord:
    """A study whose trials are done, every third of them pruned."""
    record = new_study(folder)
    draw = random.Random(0)
    for number in range(trials):
        add_own(record, _trial(draw, number, epochs))
    return record


def _trial(draw: random.Random, number: int, epochs: int) -> FrozenTrial:
    pruned = number % 3 == 2
    top = draw.uniform(0.3, 0.6)
    curve = {epoch: top * (1 - math.exp(-epoch)) for epoch in range(1, 2 if pruned else epochs + 1)}
    trial = create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        value=[*curve.values()][-1],
        params={"hidden_size": draw.randint(4, 16), "learning_rate": draw.uniform(1e-3, 0.1)},
        distributions=_SPACE,
        intermediate_values=curve,
        user_attrs={"seconds": 1.5},
    )
    trial.datetime_start = datetime(2026, 1, 1) + timedelta(minutes=number)
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=50)
    return trial


def attach(record: StudyRecord, name: str, content: bytes, mimetype: str | None = None) -> str:
    """Upload an artifact of the study; return its path."""
    file = Path(record.url.removeprefix("sqlite:///")).with_name(name)
    file.write_bytes(content)
    store = artifact_store(record.storage)
    artifact = upload_artifact(
        artifact_store=store, file_path=str(file), study_or_trial=record.optuna_study(), mimetype=mimetype
    )
    return f"/artifacts/{record.study_id}/{artifact}"


def content(record: StudyRecord) -> list[str]:
    """All that the database holds."""
    with closing(sqlite3.connect(sqlite_path(record.url))) as database:
        return list(database.iterdump())


@dataclass(frozen=True)
class Reply:
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    app: WSGIApplication,
    path: str,
    method: str = "GET",
    *,
    query: str = "",
    json_body: Any = None,
    host: str | None = HERE,
    **headers: str,
) -> Reply:
    """One request; other headers in WSGI's spelling, without HTTP_."""
    environ: WSGIEnvironment = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    body = b"" if json_body is None else json.dumps(json_body).encode()
    environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "HTTP_ACCEPT_ENCODING": "gzip"}
    environ |= {"CONTENT_TYPE": "application/json"} if body else {}
    environ |= {f"HTTP_{name}": value for name, value in headers.items()}
    setup_testing_defaults(environ)
    environ.pop("HTTP_HOST")
    if host is not None:
        environ["HTTP_HOST"] = host
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = status, headers

    chunks = app(environ, start_response)
    try:
        answer = b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    status, sent = started
    return Reply(int(status.split()[0]), {name.lower(): value for name, value in sent}, answer)


@contextmanager
def running(server: Server) -> Iterator[str]:
    """Run a server in a thread; give its address."""
    with server.in_background():
        yield server.address


def open_to_all(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An application that checks nothing, and says what it saw."""
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain"),
            ("Access-Control-Allow-Origin", "*"),
            ("X-Frame-Options", "ALLOWALL"),
            ("Content-Security-Policy", "default-src *"),
        ],
    )
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}".encode()]


def get(record: StudyRecord, path: str, query: str = "", **headers: str) -> Reply:
    return ask(guarded(record.storage, READ_ONLY), path, query=query, **headers)


def words(reply: Reply) -> str:
    """What is seen of a page, in one line."""
    body = re.sub(r"<style>.*?</style>", "", reply.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def numbers(reply: Reply) -> dict[str, dict[tuple[Any, ...], float]]:
    """The values by name and labels."""
    found: dict[str, dict[tuple[Any, ...], float]] = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found
