"""The files of a study that the dashboard hands out: which, under which type, and to whom."""

import json
import random
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest
from optuna.artifacts import upload_artifact
from optuna.study import StudyDirection

from mlpsearch.models.errors import StorageError
from mlpsearch.search.dashboard.downloads import TYPES
from mlpsearch.search.dashboard.server import artifact_store, guarded, serve
from mlpsearch.studies.files import file_store
from mlpsearch.studies.files.artifacts import dashboard_files
from mlpsearch.studies.files.file_store import artifact_folder
from mlpsearch.studies.record import StudyRecord
from tests.search.dashboard.makers import PNG, READ_ONLY, WRITABLE, ask, attach, running, study_to_see


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("weights.png", "image/png", "inline"),
        ("weights.PNG", "image/png", "inline"),
        ("metrics.json", "application/json", "attachment"),
        ("curve.csv", "text/csv; charset=utf-8", "attachment"),
        ("best.toml", "application/toml", "attachment"),
        ("best.safetensors", "application/octet-stream", "attachment"),
    ],
)
def test_known_types_are_served(shared: StudyRecord, name: str, kind: str, shown: str) -> None:
    path = attach(shared, name, PNG.getvalue())
    reply = ask(guarded(shared.storage, READ_ONLY), path)
    assert (reply.status, reply.body) == (200, PNG.getvalue())
    assert reply.headers["content-type"] == kind
    assert reply.headers["content-length"] == str(len(PNG.getvalue()))
    assert reply.headers["content-disposition"] == f"{shown}; filename*=UTF-8''{name}"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["x.html", "x.svg", "x.xml", "x.js", "x.pkl", "x.pdf", "x.png.html", "png", "x.png "]
)
def test_others_are_refused_in_one_line_that_tells_the_known_ones(shared: StudyRecord, name: str) -> None:
    reply = ask(guarded(shared.storage, READ_ONLY), attach(shared, name, b"x"))
    assert (reply.status, reply.text) == (403, f"only artifacts of {', '.join(TYPES)} are served\n")


def test_a_name_cannot_break_out_of_its_header(shared: StudyRecord) -> None:
    reply = ask(guarded(shared.storage, READ_ONLY), attach(shared, 'ä";\r\nSet-Cookie: a=b.csv', b"x"))
    assert reply.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''%C3%A4%22%3B%0D%0ASet-Cookie%3A%20a%3Db.csv"
    )


def test_artifacts_of_trials_are_served(shared: StudyRecord) -> None:
    study_id = shared.storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "running")
    trial_id = shared.storage.optuna.create_new_trial(study_id)
    trial = shared.storage.optuna.get_trial(trial_id)
    file = artifact_folder(shared.url).with_name("a.json")
    file.write_text("{}")
    store = artifact_store(shared.storage)
    artifact = upload_artifact(
        artifact_store=store, file_path=str(file), study_or_trial=trial, storage=shared.storage.optuna
    )
    app = guarded(shared.storage, READ_ONLY)
    assert ask(app, f"/artifacts/{study_id}/{trial_id}/{artifact}").body == b"{}"
    assert ask(app, f"/artifacts/{study_id}/{artifact}").status == 404


def test_the_head_of_an_artifact_has_no_body(shared: StudyRecord) -> None:
    reply = ask(guarded(shared.storage, READ_ONLY), attach(shared, "a.png", b"12345"), "HEAD")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "5", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/artifacts/1/ab",
        "/artifacts/99/ab",
        "/artifacts/1/99/ab",
        "/artifacts/1",
        "/artifacts/x/ab",
        "/artifacts/1/../../studies.db",
        "/artifacts/99999999999999999999/ab",
        "/artifacts/999999999999999999/ab",
    ],
)
def test_what_is_not_there_is_not_found(shared: StudyRecord, path: str) -> None:
    assert ask(guarded(shared.storage, READ_ONLY), path).status == 404


def test_a_file_that_is_gone_is_not_found(shared: StudyRecord) -> None:
    path = attach(shared, "a.png", b"x")
    artifact_store(shared.storage).remove(path.rpartition("/")[2])
    assert ask(guarded(shared.storage, READ_ONLY), path).status == 404


def test_a_study_file_may_say_anything(record: StudyRecord) -> None:
    app = guarded(record.storage, READ_ONLY)
    for said in ("null", "[]", "{}", '{"filename": 1}', '"a.png"', "no JSON"):
        record.storage.optuna.set_study_system_attr(record.study_id, "artifacts:ab", said)
        assert ask(app, "/artifacts/1/ab").status == 404, said


def test_looking_makes_no_folder_but_an_upload_does(record: StudyRecord) -> None:
    folder = artifact_folder(record.url) / "dashboard"
    app = guarded(record.storage, WRITABLE)
    ask(app, "/api/studies/1")
    assert not folder.exists()
    file = {"file": "data:text/csv;base64,YQ==", "filename": "a.csv"}
    reply = ask(app, "/api/artifacts/1", "POST", json_body=file)
    assert ask(app, f"/artifacts/1/{json.loads(reply.body)['artifact_id']}").body == b"a"
    assert len([*folder.iterdir()]) == 1


# ---- places ----


@pytest.fixture
def placed(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """A finished study whose files are in a place that was named as it was made."""
    with monkeypatch.context() as patch:
        patch.setenv(file_store.ENVIRONMENT, place)
        return study_to_see(tmp_path / "seen")


def test_files_of_any_place_are_served(placed: StudyRecord) -> None:
    content = random.Random(0).randbytes(300_000)
    path = attach(placed, "a.csv", content)
    with (
        running(serve(placed.storage, host="127.0.0.1", port=0)) as address,
        urlopen(urljoin(address, path)) as reply,
    ):
        assert reply.headers["Content-Length"] == str(len(content))
        assert reply.read() == content


def test_files_are_uploaded_to_any_place_and_deleted(placed: StudyRecord) -> None:
    app = guarded(placed.storage, WRITABLE)
    file = {"file": "data:text/csv;base64,YQ==", "filename": "a.csv"}
    artifact = json.loads(ask(app, "/api/artifacts/1", "POST", json_body=file).body)["artifact_id"]
    assert ask(app, f"/artifacts/1/{artifact}").body == b"a"
    assert dashboard_files(placed.file_store).read(artifact, 1) == b"a"
    assert ask(app, f"/api/artifacts/1/{artifact}", "DELETE").status == 200
    assert ask(app, f"/artifacts/1/{artifact}").status == 404
    assert dashboard_files(placed.file_store).found() == []


def test_a_place_that_cannot_be_used_is_one_line(placed: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    path = attach(placed, "a.png", b"x")
    app = guarded(placed.storage, READ_ONLY)

    def out_of_order(*_: object) -> None:
        raise StorageError("s3://b/p: cannot be read (SlowDown)")

    monkeypatch.setattr(type(placed.file_store.files), "open", out_of_order)
    reply = ask(app, path)
    assert (reply.status, reply.text) == (503, "s3://b/p: cannot be read (SlowDown)\n")


def test_a_dashboard_without_its_place_says_so(placed: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(file_store.ENVIRONMENT, "none")
    with pytest.raises(StorageError, match=r"/none: has no files of the studies in "):
        guarded(placed.storage, READ_ONLY)
