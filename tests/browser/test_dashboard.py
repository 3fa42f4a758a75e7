"""The dashboard in a real browser: plots are drawn, nothing is blocked that should not be, and nothing else runs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optuna_dashboard import get_note, save_note

from search.dashboard import serve
from studies.record import StudyRecord
from tests.search.dashboard.makers import PNG, attach, running, study_to_see

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NOTE = """# The winner

| hidden size | accuracy |
| --- | --- |
| 16 | 0.6 |

<script>window.ran = 1</script> <img src="x" onerror="window.ran = 1"> [link](javascript:window.ran=1)
"""
STUDY = "/dashboard/studies/1"


@pytest.fixture
def record(tmp_path: Path) -> Iterator[StudyRecord]:
    """A finished study with a note and artifacts."""
    record = study_to_see(tmp_path / "seen", trials=20, epochs=8)
    save_note(record.optuna_study(), NOTE)
    attach(record, "weights.png", PNG.getvalue())
    attach(record, "curve.csv", b"epoch,accuracy\n1,0.5\n")
    yield record
    record.storage.engine.dispose()


class Window:
    """A page of the browser, and what went wrong in it: errors on the console, failed scripts and requests."""

    def __init__(self, page: "Page", address: str):
        self.page = page
        self.address = address
        self.troubles: list[str] = []
        page.set_default_timeout(30_000)
        page.on("console", lambda said: said.type == "error" and self.troubles.append(said.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("requestfailed", lambda request: self.troubles.append(f"{request.url} {request.failure}"))

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def wait_for_plots(self, least: int) -> None:
        """Wait until that many plots have their axes or lines drawn."""
        self.page.locator(".js-plotly-plot .main-svg").nth(3 * least - 1).wait_for(state="attached")


@contextmanager
def window(chromium: "Browser", record: StudyRecord, *, allow_writes: bool = False) -> Iterator[Window]:
    """A fresh page on a server of the study."""
    server = serve(record.storage, host="127.0.0.1", port=0, allow_writes=allow_writes)
    with running(server) as address, chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield Window(context.new_page(), address.removesuffix("/dashboard/"))


def test_every_page_draws_its_plots_without_an_error(
    chromium: "Browser", record: StudyRecord, tmp_path: Path
) -> None:
    with window(chromium, record) as seen:
        page = seen.page
        seen.open("/dashboard/")
        page.get_by_text("1. mine").wait_for()
        page.screenshot(path=tmp_path / "studies.png")

        seen.open(STUDY)  # history, importances, timeline, learning curves
        seen.wait_for_plots(4)
        page.get_by_role("img", name="weights.png").wait_for()
        assert page.evaluate("document.images[0].naturalWidth") == 8
        page.screenshot(path=tmp_path / "study.png", full_page=True)

        seen.open(f"{STUDY}/analytics")  # slice, contour, rank, distribution
        seen.wait_for_plots(4)
        page.screenshot(path=tmp_path / "analytics.png", full_page=True)

        seen.open(f"{STUDY}/smartSelection")  # parallel coordinates: WebGL and compiled code
        seen.wait_for_plots(2)
        page.get_by_text("hidden_size").first.wait_for()
        assert "WebGL is not supported" not in page.inner_text("body")
        page.screenshot(path=tmp_path / "coordinates.png")

        seen.open(f"{STUDY}/trials?numbers=0")
        page.get_by_text("Trial 0 (trial_id=1)").wait_for()
        page.screenshot(path=tmp_path / "trial.png")
        assert seen.troubles == []


def test_plots_and_artifacts_can_be_taken_away(chromium: "Browser", record: StudyRecord) -> None:
    with window(chromium, record) as seen:
        page = seen.page
        seen.open(STUDY)
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
        assert seen.troubles == []


def test_a_note_is_text_and_runs_nothing(chromium: "Browser", record: StudyRecord, tmp_path: Path) -> None:
    with window(chromium, record) as seen:
        seen.open(f"{STUDY}/note")
        seen.page.get_by_role("heading", name="The winner").wait_for()
        seen.page.get_by_role("cell", name="0.6").wait_for()
        seen.page.get_by_text("link", exact=True).click()
        assert seen.page.evaluate("window.ran") is None
        assert "<script>" in seen.page.inner_text("body")
        seen.page.screenshot(path=tmp_path / "note.png")
        assert seen.troubles == []


@pytest.mark.parametrize("allow_writes", [False, True])
def test_the_page_tells_whether_a_note_was_saved(
    chromium: "Browser", record: StudyRecord, tmp_path: Path, allow_writes: bool
) -> None:
    with window(chromium, record, allow_writes=allow_writes) as seen:
        page = seen.page
        seen.open(f"{STUDY}/note")
        page.get_by_role("heading", name="The winner").wait_for()
        page.locator("button:has(svg[data-testid='EditIcon'])").click()
        page.locator("textarea").first.fill("# Another")
        page.get_by_role("button", name="Save").click()
        if allow_writes:
            page.get_by_role("heading", name="Another").wait_for()
        else:
            page.get_by_text("read-only").wait_for()
        page.screenshot(path=tmp_path / "saved.png")
        assert (seen.troubles == []) is allow_writes
    assert get_note(record.optuna_study()) == ("# Another" if allow_writes else NOTE)


def test_the_token_opens_the_page_and_leaves_the_address(chromium: "Browser", record: StudyRecord) -> None:
    server = serve(record.storage, host="0.0.0.0", port=0)
    with running(server) as address, chromium.new_context() as context:
        page = context.new_page()
        here = re.sub(r"//[^:]+:", "//127.0.0.1:", address)
        without = here.partition("?")[0]
        refused = page.goto(without)
        assert refused
        assert refused.status == 401
        page.goto(here)
        page.get_by_text("1. mine").wait_for()
        assert page.url == without.rstrip("/")
        assert "token" not in page.evaluate("document.cookie")
        page.goto(without + "studies/1")
        page.locator(".js-plotly-plot .main-svg").first.wait_for(state="attached")


def test_a_rebound_name_gets_nothing(chromium: "Browser", record: StudyRecord) -> None:
    """The name of somebody else's page, which comes to mean this machine."""
    with running(serve(record.storage, host="127.0.0.1", port=0)) as address, chromium.new_context() as context:
        page = context.new_page()
        answer = page.goto(address.replace("127.0.0.1", "evil.example"))
        assert answer
        assert (answer.status, "127.0.0.1" in answer.text()) == (403, True)
        assert page.goto(address, wait_until="commit"), "the name is what makes the difference"
        page.get_by_text("1. mine").wait_for()
