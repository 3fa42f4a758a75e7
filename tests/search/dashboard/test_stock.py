"""What optuna-dashboard lets through by itself, and what becomes of the same request here.

Each request is sent to both: were the stock server to refuse it one day, its test here would say so.
"""

import re
from dataclasses import replace
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication

import pytest
from optuna_dashboard import wsgi

from mlpsearch.search.dashboard.guard import Rules
from mlpsearch.search.dashboard.server import artifact_store, guarded
from mlpsearch.studies.record import StudyRecord
from tests.search.dashboard.makers import HERE, PNG, READ_ONLY, WRITABLE, Reply, ask, attach, content
from tests.studies.stores import folder_of

SCRIPT = b"<script>alert(1)</script>"
EVIL = "evil.example:8080"


class Write(NamedTuple):
    """A request that changes the study file."""

    method: str
    path: str
    json: Any
    host: str = HERE
    origin: str | None = None

    def to(self, app: WSGIApplication) -> Reply:
        headers = {"ORIGIN": self.origin} if self.origin else {}
        return ask(app, self.path, self.method, json_body=self.json, host=self.host, **headers)


NOTE = {"version": 1, "body": "x"}
FILE = {"file": "data:text/html;base64,PGI+", "filename": "x.html"}
WRITES = {
    "create a study": Write("POST", "/api/studies", {"study_name": "new", "directions": ["maximize"]}),
    "delete a study": Write("DELETE", "/api/studies/1", {}),
    "rename a study": Write("POST", "/api/studies/1/rename", {"study_name": "other"}),
    "write a note": Write("PUT", "/api/studies/1/note", NOTE),
    "write a trial's note": Write("PUT", "/api/studies/1/1/note", NOTE),
    "upload an artifact": Write("POST", "/api/artifacts/1", FILE),
    "delete a study by a rebound name": Write("DELETE", "/api/studies/1", {}, host=EVIL),
    "write JSON by a rebound name": Write("PUT", "/api/studies/1/note", NOTE, host=EVIL),
    "write from another page": Write("PUT", "/api/studies/1/note", NOTE, origin="http://evil.example"),
}


def stock(record: StudyRecord) -> Any:
    return wsgi(record.storage.optuna, artifact_store=artifact_store(record.storage))


def ours(record: StudyRecord, rules: Rules = READ_ONLY) -> WSGIApplication:
    return guarded(record.storage, rules)


# ---- writes ----


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_passes_there_is_refused_here(record: StudyRecord, write: Write) -> None:
    before = content(record)
    refused = write.to(ours(record))
    assert refused.status == 403
    assert content(record) == before
    assert write.to(stock(record)).status in (201, 204)
    assert content(record) != before


@pytest.mark.parametrize("name", [name for name, write in WRITES.items() if write.host == EVIL or write.origin])
def test_a_write_of_strangers_is_refused_even_where_writing_is_allowed(record: StudyRecord, name: str) -> None:
    before = content(record)
    assert WRITES[name].to(ours(record, WRITABLE)).status == 403
    assert content(record) == before


@pytest.mark.parametrize("name", ["create a study", "delete a study", "write a note", "upload an artifact"])
def test_writing_works_where_it_is_allowed(record: StudyRecord, name: str) -> None:
    before = content(record)
    assert WRITES[name].to(ours(record, WRITABLE)).status in (200, 201)
    assert content(record) != before


def test_a_study_keeps_its_name(record: StudyRecord) -> None:
    """The stock server makes a copy under the new name, whose specification still has the old one."""
    before = content(record)
    refused = WRITES["rename a study"].to(ours(record, WRITABLE))
    assert (refused.status, "keeps its name" in refused.text) == (403, True)
    assert content(record) == before


def test_deleting_a_study_takes_its_artifacts_along_there_but_not_here(record: StudyRecord) -> None:
    attach(record, "a.png", PNG.getvalue())
    folder = folder_of(record).with_name("dashboard")
    ask(ours(record), "/api/studies/1", "DELETE", json_body={})
    assert len([*folder.iterdir()]) == 1
    ask(stock(record), "/api/studies/1", "DELETE", json_body={})
    assert [*folder.iterdir()] == []


def test_no_route_that_writes_is_forgotten(record: StudyRecord) -> None:
    """Also those that a later release may add."""
    app, before = ours(record), content(record)
    writing = [route for route in stock(record).routes if route.method != "GET"]
    assert len(writing) >= 18
    for route in writing:
        assert ask(app, _path(route), route.method, json_body={}).status == 403, route.rule
    assert content(record) == before


def test_no_route_that_reads_changes_anything(record: StudyRecord, caplog: pytest.LogCaptureFixture) -> None:
    app, before = ours(record), content(record)
    reading = [route for route in stock(record).routes if route.method == "GET"]
    statuses = {route.rule: ask(app, _path(route)).status for route in reading}
    assert content(record) == before
    assert [*statuses.values()].count(200) >= 8, statuses
    caplog.clear()  # the stock server logs that plotly is missing


def _path(route: Any) -> str:
    """A path that leads to the route, on the first study and trial."""
    sample = {"artifact_id": "ab", "plot_type": "contour", "filename": "bundle.js", "history_id": "1"}
    return re.sub(r"<(\w*)(?::[^<>]*)?>", lambda part: sample.get(part[1], "1" if part[1] else ""), route.rule)


# ---- reads ----


@pytest.mark.parametrize("path", ["/api/studies", "/api/studies/1", "/csv/1", "/dashboard"])
def test_a_rebound_name_reads_there_but_not_here(shared: StudyRecord, path: str) -> None:
    assert ask(stock(shared), path, host=EVIL).status == 200
    refused = ask(ours(shared), path, host=EVIL)
    assert refused.status == 403
    assert b"mine" not in refused.body


@pytest.mark.parametrize("path", ["/api/studies", "/api/studies/1", "/csv/1", "/dashboard"])
def test_a_stranger_without_the_token_reads_there_but_not_here(shared: StudyRecord, path: str) -> None:
    assert ask(stock(shared), path).status == 200
    refused = ask(ours(shared, replace(READ_ONLY, token="right")), path)
    assert refused.status == 401
    assert b"mine" not in refused.body


# ---- artifacts ----


@pytest.mark.parametrize(("name", "kind"), [("x.html", "text/html"), ("x.svg", "image/svg+xml")])
@pytest.mark.parametrize("template", ["{}", "{}/", "/arti\xff{}"])
def test_an_artifact_that_is_a_page_there_is_none_here(
    shared: StudyRecord, name: str, kind: str, template: str
) -> None:
    path = template.format(attach(shared, name, SCRIPT))
    path = path.replace("\xff/artifacts", "\xfffacts")  # undecodable bytes: the stock server skips them
    there = ask(stock(shared), path)
    assert (there.status, there.headers["content-type"], there.body) == (200, kind, SCRIPT)
    here = ask(ours(shared), path)
    assert here.status in (403, 404)
    assert SCRIPT not in here.body


def test_a_picture_that_is_called_a_page_there_is_a_picture_here(shared: StudyRecord) -> None:
    path = attach(shared, "x.png", SCRIPT, mimetype="text/html")
    assert ask(stock(shared), path).headers["content-type"] == "text/html"
    assert ask(ours(shared), path).headers["content-type"] == "image/png"


def test_other_sites_may_read_artifacts_there_but_not_here(shared: StudyRecord) -> None:
    path = attach(shared, "x.json", b"{}")
    assert ask(stock(shared), path).headers["access-control-allow-origin"] == "*"
    here = ask(ours(shared), path)
    assert here.status == 200
    assert "access-control-allow-origin" not in here.headers
    assert here.headers["cross-origin-resource-policy"] == "same-origin"


# ---- what the guard is to keep ----


def test_reading_is_as_it_was(shared: StudyRecord) -> None:
    """But for a style sheet in its page, and confirmations in its list (test_pages.py)."""
    for path in ("/api/studies", "/api/studies/1", "/csv/1", "/api/meta", "/favicon.ico"):
        there, here = ask(stock(shared), path), ask(ours(shared, WRITABLE), path)
        assert (here.status, here.body) == (there.status, there.body), path
        assert here.status == 200


def test_a_client_that_names_no_encoding_is_served_too(shared: StudyRecord) -> None:
    app = ours(shared)

    def without(environ: Any, start_response: Any) -> Any:
        environ.pop("HTTP_ACCEPT_ENCODING")
        return app(environ, start_response)

    assert ask(without, "/favicon.ico").status == 200
