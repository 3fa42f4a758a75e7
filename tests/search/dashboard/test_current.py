"""What the dashboard shows is of the studies and the file that are there now."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from mlpsearch.models.errors import StorageError
from mlpsearch.search.dashboard.guard import Rules
from mlpsearch.search.dashboard.health import Health, health_page
from mlpsearch.search.dashboard.server import guarded
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import Storage, open_storage, sqlite_path
from tests.search.dashboard.makers import READ_ONLY, WRITABLE, ask, study_to_see
from tests.studies.stores import SOURCE, new_study


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[tuple[StudyRecord, Storage]]:
    """A study of four trials, and the storage as the dashboard of another process has it."""
    record = study_to_see(tmp_path / "seen")
    shown = open_storage(record.url, read_only=True)
    yield record, shown
    record.storage.close()


def detail(app: WSGIApplication, study_id: int) -> dict[str, Any]:
    reply = ask(app, f"/api/studies/{study_id}", query="after=0")
    assert reply.status == 200
    document: dict[str, Any] = json.loads(reply.body)
    return document


def importances(app: WSGIApplication, study_id: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ask(app, f"/api/studies/{study_id}/param_importances").body)
    return document


def other_trial(value: float = 0.9) -> optuna.trial.FrozenTrial:
    return create_trial(value=value, params={"z": value}, distributions={"z": FloatDistribution(0, 1)})


def anew(record: StudyRecord) -> StudyRecord:
    """Delete the study, and make one of the same name, which gets the same number."""
    delete_study(record)
    made = create_or_resume(record.url, record.spec, trials=None, source=SOURCE)
    assert made.study_id == record.study_id
    return made


def test_nothing_of_a_deleted_study_is_shown_in_one_that_gets_its_number(
    seen: tuple[StudyRecord, Storage],
) -> None:
    record, shown = seen
    app = guarded(shown, READ_ONLY)
    before = detail(app, record.study_id)
    assert len(before["trials"]) == 4
    assert {space["name"] for space in before["union_search_space"]} == {"hidden_size", "learning_rate"}
    made = anew(record)
    now = detail(app, record.study_id)
    assert (now["trials"], now["union_search_space"], now["union_user_attrs"]) == ([], [], [])
    made.storage.optuna.create_new_trial(made.study_id, other_trial())
    anew(made)
    assert detail(app, record.study_id)["trials"] == []


def test_importances_are_of_the_study_that_has_the_number_now(seen: tuple[StudyRecord, Storage]) -> None:
    record, shown = seen
    app = guarded(shown, READ_ONLY)
    names = {one["name"] for one in importances(app, record.study_id)["param_importances"][0]}
    assert names == {"hidden_size", "learning_rate"}
    made = anew(record)
    for value in (0.1, 0.2, 0.3):  # as many as were complete in the deleted one
        made.storage.optuna.create_new_trial(made.study_id, other_trial(value))
    names = {one["name"] for one in importances(app, record.study_id)["param_importances"][0]}
    assert names == {"z"}


def test_a_table_for_a_spreadsheet_has_the_trials_of_the_study_that_has_the_number_now(
    seen: tuple[StudyRecord, Storage],
) -> None:
    record, shown = seen
    app = guarded(shown, READ_ONLY)
    assert len(ask(app, f"/csv/{record.study_id}").text.splitlines()) == 5
    anew(record)
    assert len(ask(app, f"/csv/{record.study_id}").text.splitlines()) == 1


def test_a_study_of_somebody_else_is_told_from_a_deleted_one_of_the_same_name(
    seen: tuple[StudyRecord, Storage],
) -> None:
    record, shown = seen
    app = guarded(shown, READ_ONLY)

    def theirs(count: int) -> int:
        study = optuna.create_study(study_name="theirs", storage=record.storage.optuna)
        for _ in range(count):
            study.add_trial(other_trial())
        return study._study_id

    first = theirs(3)
    assert len(detail(app, first)["trials"]) == 3
    record.storage.optuna.delete_study(first)
    assert theirs(2) == first
    numbers = [trial["trial_id"] for trial in detail(app, first)["trials"]]
    assert numbers == [trial._trial_id for trial in record.storage.optuna.get_all_trials(first)]


def test_a_deleted_study_is_not_there(seen: tuple[StudyRecord, Storage]) -> None:
    record, shown = seen
    app = guarded(shown, READ_ONLY)
    detail(app, record.study_id)
    delete_study(record)
    assert ask(app, f"/api/studies/{record.study_id}", query="after=0").status == 404


# ---- another file ----


def gone(path: Path) -> str:
    path.rename(path.with_name("away.db"))
    return "is gone: it was moved away or deleted"


def replaced(path: Path) -> str:
    other = new_study(path.parent / "other")
    other.storage.close()
    path.rename(path.with_name("away.db"))
    sqlite_path(other.url).rename(path)
    return "is another file now: it was replaced while in use"


LOSSES = (gone, replaced)


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("rules", [READ_ONLY, WRITABLE])
def test_the_dashboard_of_a_lost_file_says_so(
    record: StudyRecord, lose: Callable[[Path], str], rules: Rules
) -> None:
    storage = open_storage(record.url, read_only=not rules.allow_writes)
    app = guarded(storage, rules)
    path = sqlite_path(record.url)
    assert ask(app, "/api/studies").status == 200
    trouble = lose(path)
    for page in ("/api/studies", f"/api/studies/{record.study_id}", "/dashboard", "/artifacts/1/ab"):
        reply = ask(app, page)
        assert reply.status == 503
        assert f"the storage {trouble}; " in reply.text
    path.with_name("away.db").replace(path)
    assert ask(app, "/api/studies").status == 200


@pytest.mark.parametrize("lose", LOSSES)
def test_the_service_of_a_lost_file_is_not_healthy(record: StudyRecord, lose: Callable[[Path], str]) -> None:
    storage = open_storage(record.url)
    page = health_page(lambda: Health(2, True, storage.trouble()))
    app = guarded(storage, replace(READ_ONLY, token="x"), lambda: Health(2, True, storage.trouble()))
    assert ask(page, "/healthz").status == 200
    trouble = lose(sqlite_path(record.url))
    reply = ask(app, "/healthz")
    assert reply.status == 503
    assert json.loads(reply.body)["reason"] == f"the storage {trouble}"
    assert str(sqlite_path(record.url).parent) not in reply.text  # whoever asks needs no token


@pytest.mark.parametrize("lose", LOSSES)
def test_nothing_is_read_from_or_written_to_a_lost_file(record: StudyRecord, lose: Callable[[Path], str]) -> None:
    path, storage = sqlite_path(record.url), record.storage
    trial = storage.optuna.create_new_trial(record.study_id, create_trial(state=TrialState.RUNNING))
    trouble = lose(path)
    calls: list[Callable[[], Any]] = [
        lambda: storage.optuna.get_all_studies(),
        lambda: storage.optuna.get_all_trials(record.study_id),
        lambda: storage.optuna.set_trial_intermediate_value(trial, 1, 0.5),
        lambda: storage.optuna.record_heartbeat(trial),
        lambda: record.counts.by_state(),
    ]
    for call in calls:
        with pytest.raises(StorageError, match=f"^{path}: {trouble}$"):
            call()
    assert path.exists() == (lose is replaced)
