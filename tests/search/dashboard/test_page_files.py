"""Reports and files that our own pages hand out."""

import re
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from mlpsearch.search.dashboard.made import CONFIGURATION, ONNX, TRIALS, WEIGHTS
from mlpsearch.search.dashboard.server import guarded
from mlpsearch.search.report import study_report
from mlpsearch.studies.creation import plan_confirmation
from mlpsearch.studies.record import PlannedRun, StudyRecord
from tests.search.dashboard.makers import READ_ONLY, ask, get, words
from tests.search.makers import (
    TESTED,
    add_own,
)


def test_a_report_is_made_once_until_its_study_changes(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def page(asked: StudyRecord) -> bytes:
        made.append(asked.name)
        return f"<p>report {len(made)}".encode()

    monkeypatch.setattr(study_report, "report_page", page)
    app = guarded(record.storage, READ_ONLY)
    assert [ask(app, "/studies/mine/report").text for _ in range(2)] == ["<p>report 1"] * 2
    record.set("tests", [TESTED])
    assert ask(app, "/studies/mine/report").text == "<p>report 2"
    add_own(record, create_trial(state=TrialState.PRUNED, value=0.1))
    assert ask(app, "/studies/mine/report").text == "<p>report 3"
    plan_confirmation(record, [PlannedRun(0, {}, 1)])
    assert ask(app, "/studies/mine/report").text == "<p>report 4"


def test_files_are_handed_out_to_be_kept(trained: StudyRecord) -> None:
    app = guarded(trained.storage, READ_ONLY)
    links = re.findall(r'href="(/studies/mine/files/[^"]+)"', ask(app, "/studies/mine").text)
    assert {link.rpartition("/")[2] for link in links} == {CONFIGURATION, WEIGHTS, ONNX, TRIALS}
    begins = {CONFIGURATION: b"format = ", WEIGHTS: b"", ONNX: b"", TRIALS: b"number,state,"}
    for link in links:
        reply, name = ask(app, link), link.rpartition("/")[2]
        assert reply.status == 200
        assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert "sandbox" in reply.headers["content-security-policy"]
        assert len(reply.body) > 100
        assert reply.body.startswith(begins[name])


def test_weights_that_are_gone_have_no_link_until_they_are_back(trained: StudyRecord, tmp_path: Path) -> None:
    app = guarded(trained.storage, READ_ONLY)
    assert WEIGHTS in ask(app, "/").text
    (folder,) = tmp_path.glob("*.artifacts")
    folder.rename(tmp_path / "elsewhere")
    lacking = ask(app, "/").text
    assert "Configuration" in lacking
    assert WEIGHTS not in lacking
    assert ONNX not in lacking
    (tmp_path / "elsewhere").rename(folder)
    assert WEIGHTS in ask(app, "/").text


def test_where_the_data_are_gone_no_link_leads_to_what_needs_them(record: StudyRecord, tmp_path: Path) -> None:
    app, data = guarded(record.storage, READ_ONLY), tmp_path / "moved.csv"
    record.set("spec", {**record.attributes()["spec"], "dataset": "table", "label": "y", "data": str(data)})
    record.set("source", {**record.attributes()["source"], "data": str(data)})
    for path in ("/", "/studies/mine"):
        assert f"Its data are not at {data} any more" in words(ask(app, path))
        assert f"files/{CONFIGURATION}" not in ask(app, path).text
    assert f"files/{TRIALS}" in ask(app, "/studies/mine").text
    data.touch()
    assert "any more" not in words(ask(app, "/"))
    assert f"files/{CONFIGURATION}" in ask(app, "/").text


def test_a_file_that_cannot_be_made_says_why(record: StudyRecord) -> None:
    refused = get(record, f"/studies/mine/files/{WEIGHTS}")
    assert (refused.status, refused.text.count("\n")) == (409, 1)
