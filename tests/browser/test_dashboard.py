"""The dashboard in a real browser: plots are drawn, nothing that is needed is blocked, and nothing else runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optuna_dashboard import get_note, save_note

from mlpsearch.search.dashboard.server import serve
from mlpsearch.studies.record import StudyRecord
from tests.browser.windows import Window, window
from tests.patience import PATIENCE_SECONDS
from tests.search.dashboard.makers import PNG, attach, running, study_to_see

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOTE = """# The winner

| hidden size | accuracy |
| --- | --- |
| 16 | 0.6 |

[link](javascript:window.ran=1)

<script>window.ran = 1</script> <img src="x" onerror="window.ran = 1">
"""
LOOK = """title => [getComputedStyle(title).fill,
  getComputedStyle(title.closest(".svg-container").querySelector(".main-svg")).backgroundColor]"""
HOME = "/dashboard/"
STUDY = "/dashboard/studies/1"


def button(icon: str) -> str:
    """Where the button with this icon is."""
    return f"button:has(svg[data-testid='{icon}Icon'])"


CHANGING = ", ".join(map(button, ("AddBox", "Delete", "Edit", "UploadFile")))
RENAMING = button("DriveFileRenameOutline")
UPLOADING = ".MuiCard-root:not(:has(.MuiCard-root)):has(svg[data-testid='UploadFileIcon'])"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyRecord]:
    """A finished study with a note and artifacts."""
    record = study_to_see(tmp_path_factory.mktemp("seen"), trials=20, epochs=8)
    save_note(record.optuna_study(), NOTE)
    attach(record, "weights.png", PNG.getvalue())
    attach(record, "curve.csv", b"epoch,accuracy\n1,0.5\n")
    yield record
    record.storage.close()


@pytest.fixture(scope="module")
def shared(chromium: "Browser", record: StudyRecord) -> Iterator[Window]:
    with window(chromium, record, HOME) as seen:
        seen.open(STUDY)
        yield seen


@pytest.fixture
def seen(shared: Window) -> Window:
    """The study's page in a dashboard that cannot write, with nothing gone wrong yet."""
    shared.troubles.clear()
    shared.open(STUDY)
    return shared


def test_the_first_page_lists_the_studies(seen: Window, tmp_path: Path) -> None:
    seen.open(HOME)
    seen.page.get_by_text("1. mine").wait_for()
    seen.page.screenshot(path=tmp_path / "studies.png")
    assert seen.troubles == []


def test_a_study_shows_its_plots_and_pictures(seen: Window, tmp_path: Path) -> None:
    for title in ("History", "Hyperparameter Importance", "Timeline", "Intermediate values", "Study Artifacts"):
        seen.page.get_by_role("heading", name=title).wait_for()
    seen.wait_for_plots(4)
    picture = seen.page.get_by_role("img", name="weights.png")
    picture.wait_for()
    seen.page.screenshot(path=tmp_path / "study.png", full_page=True)
    assert picture.evaluate("picture => picture.naturalWidth") == 8
    assert seen.troubles == []


def test_the_analysis_draws_slice_contour_rank_and_distribution(seen: Window, tmp_path: Path) -> None:
    seen.open(f"{STUDY}/analytics")
    seen.page.get_by_role("heading", name="Hyperparameter Relationships").wait_for()
    seen.wait_for_plots(4)
    seen.page.screenshot(path=tmp_path / "analytics.png", full_page=True)
    assert seen.troubles == []


def test_parallel_coordinates_may_use_webgl(seen: Window, tmp_path: Path) -> None:
    """Where the policy forbids code that is compiled (eval), no error is seen but this message."""
    seen.open(f"{STUDY}/smartSelection")
    seen.page.get_by_role("heading", name="Parallel Coordinate").wait_for()
    seen.wait_for_plots(2)
    seen.page.locator(".js-plotly-plot").first.get_by_text("hidden_size").wait_for()
    seen.page.screenshot(path=tmp_path / "coordinates.png")
    assert "WebGL is not supported" not in seen.page.inner_text("body")
    assert seen.troubles == []


def test_a_note_is_text_and_runs_nothing(seen: Window, tmp_path: Path) -> None:
    seen.open(f"{STUDY}/note")
    seen.page.get_by_role("heading", name="The winner").wait_for()
    seen.page.get_by_role("cell", name="0.6").wait_for()
    seen.page.screenshot(path=tmp_path / "note.png")
    assert seen.page.get_by_text("link", exact=True).get_attribute("href") == ""
    assert "<script>" in seen.page.inner_text("body")
    assert seen.page.evaluate("window.ran") is None
    assert seen.troubles == []


def test_where_it_only_reads_no_button_is_seen_that_cannot_work(seen: Window, tmp_path: Path) -> None:
    for path, waited_for in ((HOME, "1. mine"), (STUDY, "Study Artifacts"), (f"{STUDY}/note", "The winner")):
        seen.open(path)
        seen.page.get_by_text(waited_for, exact=True).first.wait_for()
        seen.page.locator(CHANGING).first.wait_for(state="attached")
        assert not any(one.is_visible() for one in seen.page.locator(f"{CHANGING}, {RENAMING}").all())
        assert not any(one.is_visible() for one in seen.page.locator(UPLOADING).all()), "nor an empty frame"
        seen.page.screenshot(path=tmp_path / f"{waited_for}.png", full_page=True)
    refused = seen.page.evaluate("fetch('/api/studies/1', {method: 'DELETE'}).then(answer => answer.json())")
    assert "read-only" in refused["reason"]
    seen.troubles.clear()  # the browser says that it was refused


def test_plots_and_artifacts_can_be_taken_away(seen: Window) -> None:
    page = seen.page
    seen.wait_for_plots(4)
    page.locator(".js-plotly-plot").first.hover()
    with page.expect_download() as plot:
        page.locator(".modebar-btn").first.click()
    assert plot.value.suggested_filename == "newplot.png"
    with page.expect_download() as table:
        page.locator("a[download='curve.csv']").click()
    assert table.value.path().read_bytes() == b"epoch,accuracy\n1,0.5\n"
    page.get_by_label("show artifact table").click()
    page.get_by_role("cell", name="0.5", exact=True).wait_for()
    page.keyboard.press("Escape")
    assert seen.troubles == []


def test_where_writing_is_allowed_the_page_can_write(
    chromium: "Browser", record: StudyRecord, tmp_path: Path
) -> None:
    with window(chromium, record, HOME, allow_writes=True) as seen:
        seen.page.get_by_text("1. mine").wait_for()
        assert seen.page.locator(CHANGING).count() == 2, "to create a study, and to delete the one"
        assert all(one.is_visible() for one in seen.page.locator(CHANGING).all())
        seen.page.locator(RENAMING).wait_for(state="hidden")  # a study keeps its name
        seen.open(STUDY)
        seen.page.locator(UPLOADING).wait_for()
        _save_note(seen, "# Another")
        seen.page.get_by_role("heading", name="Another").wait_for()
        seen.page.screenshot(path=tmp_path / "saved.png")
        assert seen.troubles == []
    assert get_note(record.optuna_study()) == "# Another"
    save_note(record.optuna_study(), NOTE)


def test_what_was_published_of_a_study_is_seen(
    chromium: "Browser", published: StudyRecord, tmp_path: Path
) -> None:
    (test,) = published.attributes()["tests"]
    with window(chromium, published, HOME, color_scheme="dark") as seen:
        seen.page.get_by_text("1. mine").wait_for()
        assert seen.page.get_by_text("(confirmation)").count() == 0, "it is a part of its study"
        seen.open(STUDY)
        seen.wait_for_plots(6)
        for title in ("Time against accuracy", "Confusion matrix"):
            named = seen.page.locator(".gtitle", has_text=title)
            named.wait_for()
            assert named.evaluate(LOOK) == ["rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"], "no white slab in the dark"
        picture = seen.page.get_by_role("img", name="first-layer.png")
        picture.wait_for()
        assert picture.evaluate("picture => picture.naturalWidth") >= 64
        for name in ("best.toml", "metrics.json"):
            with seen.page.expect_download() as file:
                seen.page.locator(f"a[download='{name}']").click()
            assert b"mine" in file.value.path().read_bytes()
        seen.page.screenshot(path=tmp_path / "study.png", full_page=True)
        seen.open(f"{STUDY}/note")
        seen.page.get_by_role("heading", name=f"Trial {test['trial']} is the winner").wait_for()
        shown = f"{test['accuracy']:.2%} ± {100 * test['deviation']:.2f}"
        assert seen.page.get_by_role("cell", name=shown).count() == 2, "the result, and the log of openings"
        assert seen.page.get_by_role("row").filter(has_text="mlpsearch export mine").count() == 1
        seen.page.screenshot(path=tmp_path / "note.png")
        assert seen.troubles == []


def _save_note(seen: Window, note: str) -> None:
    seen.open(f"{STUDY}/note")
    seen.page.get_by_role("heading", name="The winner").wait_for()
    seen.page.locator("button:has(svg[data-testid='EditIcon'])").click()
    seen.page.locator("textarea").first.fill(note)
    seen.page.get_by_role("button", name="Save").click()


def test_the_token_opens_the_page_and_leaves_the_address(chromium: "Browser", record: StudyRecord) -> None:
    server = serve(record.storage, host="0.0.0.0", port=0)
    with running(server) as address, chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        here = re.sub(r"//[^:]+:", "//127.0.0.1:", address)
        refused = page.goto(here.partition("?")[0])
        assert refused
        assert refused.status == 401
        page.goto(here)
        page.get_by_role("heading", name="mine").wait_for()
        assert "token" not in page.url
        assert page.evaluate("document.cookie") == "", "scripts must not see it"


def test_a_rebound_name_gets_nothing(chromium: "Browser", record: StudyRecord) -> None:
    """The name of somebody else's page, which comes to mean this machine."""
    with running(serve(record.storage, host="127.0.0.1", port=0)) as address, chromium.new_context() as context:
        page = context.new_page()
        studies = f"{address}api/studies"
        for name, status in (("evil.example", 403), ("127.0.0.1", 200)):
            answer = page.goto(studies.replace("127.0.0.1", name))
            assert answer
            assert (answer.status, "mine" in answer.text()) == (status, status == 200)
