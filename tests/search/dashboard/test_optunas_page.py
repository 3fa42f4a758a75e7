"""optuna-dashboard's own page, as it is served here."""

import json
import re
from wsgiref.types import WSGIApplication

import pytest
from optuna.study import StudyDirection
from optuna_dashboard import wsgi

from mlpsearch.search.dashboard.guard import Rules
from mlpsearch.search.dashboard.server import guarded
from mlpsearch.studies.creation import plan_confirmation
from mlpsearch.studies.record import PlannedRun, StudyRecord
from tests.search.dashboard.makers import HERE, READ_ONLY, WRITABLE, ask


@pytest.mark.parametrize(("rules", "hides_delete"), [(READ_ONLY, True), (WRITABLE, False)])
def test_its_page_is_whole_but_for_a_style_sheet_that_hides_what_must_fail(
    shared: StudyRecord, rules: Rules, hides_delete: bool
) -> None:
    here = ask(guarded(shared.storage, rules), "/dashboard/studies/1")
    stock = ask(wsgi(shared.storage.optuna), "/dashboard/studies/1")
    assert int(here.headers["content-length"]) == len(here.body)
    (style,) = re.findall(r"<style>button:has.*?</style>", here.text)
    assert here.text.replace(style, "") == stock.text
    assert ("DeleteIcon" in style, "DriveFileRenameOutlineIcon" in style) == (hides_delete, True)


def test_its_list_has_each_study_once(record: StudyRecord) -> None:
    plan_confirmation(record, [PlannedRun(0, {}, 1)])
    record.storage.optuna.create_new_study([StudyDirection.MINIMIZE], "of somebody else")
    app = guarded(record.storage, WRITABLE)
    assert listed(app) == ["mine", "of somebody else"]
    assert ask(app, "/api/studies/2").status == 200, "by its number it can be looked at"
    ask(app, "/api/studies/1", "DELETE", json_body={})
    assert listed(app) == ["mine (confirmation)", "of somebody else"], "what is left of it can be deleted, too"


def listed(app: WSGIApplication) -> list[str]:
    return [study["study_name"] for study in json.loads(ask(app, "/api/studies").body)["study_summaries"]]


def test_a_page_that_a_browser_kept_is_sent_anew(shared: StudyRecord) -> None:
    app = guarded(shared.storage, READ_ONLY)
    reply = ask(app, "/dashboard", IF_MODIFIED_SINCE="Fri, 01 Jan 2100 00:00:00 GMT", host=HERE)
    assert (reply.status, "last-modified" in reply.headers) == (200, False)
