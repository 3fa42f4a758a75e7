"""Who gets our own pages, and what they may do."""

from dataclasses import replace

import pytest

from mlpsearch.search.dashboard.made import CONFIGURATION, ONNX, TRIALS, WEIGHTS
from mlpsearch.search.dashboard.server import guarded
from mlpsearch.studies.record import StudyRecord
from tests.search.dashboard.makers import READ_ONLY, WRITABLE, ask, get

EVIL = "evil.example:8080"
OURS = (
    "/",
    "/metrics",
    "/refresh.js",
    "/studies/mine",
    "/studies/mine/report",
    f"/studies/mine/files/{CONFIGURATION}",
    f"/studies/mine/files/{WEIGHTS}",
    f"/studies/mine/files/{ONNX}",
    f"/studies/mine/files/{TRIALS}",
)


@pytest.mark.parametrize("path", OURS)
def test_a_page_of_ours_is_refused_by_a_foreign_name(shared: StudyRecord, path: str) -> None:
    refused = get(shared, path, host=EVIL)
    assert refused.status == 403
    assert b"mine" not in refused.body


@pytest.mark.parametrize("path", OURS)
def test_a_page_of_ours_is_refused_without_the_token(shared: StudyRecord, path: str) -> None:
    refused = ask(guarded(shared.storage, replace(READ_ONLY, token="right")), path)
    assert refused.status == 401
    assert b"mine" not in refused.body


@pytest.mark.parametrize("path", OURS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_page_of_ours_changes_nothing(shared: StudyRecord, path: str, method: str) -> None:
    assert ask(guarded(shared.storage, READ_ONLY), path, method).status == 403
    refused = ask(guarded(shared.storage, WRITABLE), path, method)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_a_scrape_shows_the_token_each_time_and_is_not_sent_elsewhere(shared: StudyRecord) -> None:
    app = guarded(shared.storage, replace(READ_ONLY, token="right"))
    assert ask(app, "/metrics", query="token=right").status == 200
    assert ask(app, "/", query="token=right").status == 303


@pytest.mark.parametrize("path", ["/", "/studies/mine", "/metrics"])
def test_our_pages_run_our_script_alone_and_compile_nothing(shared: StudyRecord, path: str) -> None:
    policy = get(shared, path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "<script>" not in get(shared, path).text


def test_a_report_is_no_page_of_this_server(shared: StudyRecord) -> None:
    """What its scripts ask for is asked for by nobody, so that it could read nothing here."""
    policy = get(shared, "/studies/mine/report").headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy


def test_head_answers_as_get_does_but_without_a_body(shared: StudyRecord) -> None:
    app = guarded(shared.storage, READ_ONLY)
    for path in ("/refresh.js", "/dashboard"):
        whole, head = ask(app, path), ask(app, path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        "/studies/nobody",
        "/studies/mine/else",
        "/studies/mine/files/else",
        "/studies/mine/files/.",
        "/studies/mine/report/more",
        "/studies/nobody/report",
        "/studies/mine (confirmation)",
    ],
)
def test_what_is_not_there_is_not_found(shared: StudyRecord, path: str) -> None:
    assert get(shared, path).status == 404
