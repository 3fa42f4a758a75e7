"""/healthz: what it says, to whom, and where its answers come from."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpsearch.models.errors import StorageError
from mlpsearch.search.dashboard.guard import Guard
from mlpsearch.search.dashboard.health import Health, StorageWatch, health_page
from tests.patience import PATIENCE_SECONDS
from tests.search.dashboard.makers import READ_ONLY, ask, open_to_all
from tests.studies.stores import new_storage

WITH_TOKEN = replace(READ_ONLY, token="right")
WELL = Health(workers=2, storage=True)


def guard(health: Health = WELL) -> Guard:
    return Guard(open_to_all, open_to_all, WITH_TOKEN, health_page(lambda: health))


@pytest.mark.parametrize(
    ("health", "status", "expected"),
    [
        (WELL, 200, {"ok": True, "workers": 2, "storage": True}),
        (Health(0, True), 503, {"ok": False, "workers": 0, "storage": True, "reason": "no worker is alive"}),
        (
            Health(2, False),
            503,
            {"ok": False, "workers": 2, "storage": False, "reason": "the storage does not answer"},
        ),
    ],
)
def test_it_says_in_a_line_whether_the_service_works(
    health: Health, status: int, expected: dict[str, Any]
) -> None:
    reply = ask(guard(health), "/healthz")
    assert (reply.status, json.loads(reply.body)) == (status, expected)
    assert reply.text.count("\n") == 1
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    head = ask(guard(health), "/healthz", "HEAD")
    assert (head.status, head.body) == (status, b"")


def test_it_needs_no_token_but_the_right_name() -> None:
    assert ask(guard(), "/").status == 401
    assert ask(guard(), "/healthz/").status == 200
    assert ask(guard(), "/healthz", host="evil.example:8080").status == 403


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/healthz", "POST", 401), ("/healthz/x", "GET", 401), ("/Healthz", "GET", 401), ("//x/healthz", "GET", 401)],
)
def test_nothing_else_passes_with_it(path: str, method: str, status: int) -> None:
    assert ask(guard(), path, method).status == status


def test_without_a_service_it_is_a_page_like_others() -> None:
    assert ask(Guard(open_to_all, open_to_all, WITH_TOKEN), "/healthz").status == 401


# ---- the storage ----


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpsearch.search.dashboard.health._ASK_SECONDS", 0.01)
    monkeypatch.setattr("mlpsearch.search.dashboard.health._SILENT_SECONDS", 0.3)


def settles(probe: Callable[[], bool], expected: bool) -> bool:
    """Whether the probe comes to say so within a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while probe() != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.usefixtures("_impatient")
def test_a_storage_that_goes_and_comes_back(tmp_path: Path) -> None:
    url = new_storage(tmp_path)
    file, away = tmp_path / "studies.db", tmp_path / "away.db"
    with StorageWatch(url) as watch:
        time.sleep(0.5)
        assert settles(watch.answers, True)
        file.rename(away)
        assert settles(watch.answers, False)
        away.rename(file)
        assert settles(watch.answers, True)


@pytest.mark.usefixtures("_impatient")
def test_a_storage_that_hangs_does_not_make_it_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(url: str) -> list[str]:
        asked.set()
        over.wait(PATIENCE_SECONDS)
        raise StorageError("too late")

    monkeypatch.setattr("mlpsearch.search.dashboard.health.stored_names", hang)
    with StorageWatch(new_storage(tmp_path)) as watch:
        assert asked.wait(PATIENCE_SECONDS)
        assert settles(watch.answers, False)
        over.set()
