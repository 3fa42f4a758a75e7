"""Our own pages in a real browser: read, used, and open to people who see or handle a page in other ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState, create_trial

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from tests.browser.conftest import violations
from tests.browser.windows import window
from tests.search.dashboard.makers import study_to_see
from tests.search.makers import add_own
from tests.studies.stores import SOURCE, spec

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = ("/", "/studies/mine", "/studies/mine?open=0&open=1&sort=trial&state=finished&hidden_size.min=x")
FOCUSED = """() => {
    const one = document.activeElement;
    return { name: one.getAttribute("aria-label"), top: one.getBoundingClientRect().top };
}"""
REFRESH = "document.dispatchEvent(new Event('visibilitychange'))"  # as coming back to the page does
FORMS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1400, "height": 900}, "color_scheme": "light"},
    "desktop, dark": {"viewport": {"width": 1400, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
    "phone, dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[StudyRecord]:
    """A study that is not over, beside one without trials."""
    record = study_to_see(tmp_path / "seen", trials=60)
    create_or_resume(record.url, spec(name="a-new-one"), trials=None, source=SOURCE)
    yield record
    record.storage.close()


@pytest.mark.parametrize("form", FORMS)
def test_nothing_keeps_people_from_reading_and_nothing_is_wider_than_the_screen(
    chromium: "Browser", published: StudyRecord, axe: str, form: str, tmp_path: Path
) -> None:
    with window(chromium, published, **FORMS[form]) as seen:
        for number, path in enumerate(PAGES):
            seen.page.goto(seen.page.url.split("/studies")[0].rstrip("/") + path)
            seen.page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
            assert violations(seen.page, axe) == [], path
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= FORMS[form]["viewport"]["width"]
        assert seen.troubles == []


def test_the_front_page_leads_to_everything(chromium: "Browser", published: StudyRecord) -> None:
    with window(chromium, published) as seen:
        page, home = seen.page, seen.page.url
        page.get_by_role("link", name="Trials", exact=True).click()
        page.get_by_role("heading", name="Trials").wait_for()
        page.goto(home)
        for title, name in (("Configuration", "export.toml"), ("Weights", "weights.safetensors")):
            with page.expect_download() as file:
                page.get_by_role("link", name=title, exact=True).click()
            assert file.value.suggested_filename == name
            assert file.value.path().stat().st_size > 100
        page.get_by_role("link", name="Report", exact=True).click()
        page.get_by_role("heading", name="Winner").wait_for()
        page.goto(home)
        page.get_by_role("navigation", name="Of mine").get_by_role("link", name="optuna-dashboard").click()
        seen.wait_for_plots(4)
        aborted = "net::ERR_ABORTED"  # so Chromium calls the way to a page that turns out to be a download
        assert [one for one in seen.troubles if not one.endswith(aborted)] == []


def test_the_page_keeps_itself_up_to_date_and_a_reader_where_he_is(
    chromium: "Browser", record: StudyRecord
) -> None:
    with window(chromium, record, "/studies/mine?sort=trial") as seen:
        page = seen.page
        page.get_by_text("Filter, and choose columns").click()
        page.locator("input[name='hidden_size.min']").fill("7")
        page.get_by_role("link", name="Trial 49").focus()
        before = page.evaluate(FOCUSED)
        add_own(record, create_trial(state=TrialState.COMPLETE, value=0.9))
        page.get_by_text("Trials 1 to 50 of 61").wait_for()
        after = page.evaluate(FOCUSED)
        assert (before["name"], after["name"]) == ("Trial 49", "Trial 49")
        assert abs(after["top"] - before["top"]) < 2, "pixels, though what is above it has another height now"
        assert page.locator("input[name='hidden_size.min']").input_value() == "7"
        assert seen.troubles == []


def test_a_server_that_is_gone_is_said(chromium: "Browser", record: StudyRecord) -> None:
    with window(chromium, record) as seen:
        seen.page.route("**/*", lambda route: route.abort())
        seen.page.evaluate(REFRESH)
        seen.page.get_by_text("Not up to date: the server does not answer.").wait_for()
        seen.page.unroute_all()
        add_own(record, create_trial(state=TrialState.COMPLETE, value=0.9))
        seen.page.evaluate(REFRESH)
        seen.page.get_by_text("61 of 5 trials").wait_for()
        assert seen.page.get_by_text("Not up to date").count() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_the_table_is_sorted_filtered_and_opened_by_its_address(
    chromium: "Browser", record: StudyRecord, scripts: bool
) -> None:
    with window(chromium, record, "/studies/mine", java_script_enabled=scripts) as seen:
        page = seen.page
        page.get_by_role("link", name="hidden_size").click()
        page.get_by_role("columnheader", name="hidden_size").and_(
            page.locator("[aria-sort=descending]")
        ).wait_for()
        page.get_by_text("Filter, and choose columns").click()
        page.get_by_label("state").first.select_option("pruned")
        page.locator("input[name='hidden_size.max']").fill("9")
        page.get_by_label("parameters").uncheck()
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="All trials").wait_for()
        assert "state=pruned" in page.url
        assert "hidden_size.min" not in page.url, "fields left empty are no part of the address"
        assert page.get_by_role("columnheader", name="parameters").count() == 0
        sizes = page.locator("table tbody tr td:nth-child(4)").all_inner_texts()
        assert sizes == sorted(sizes, key=int, reverse=True)
        assert sizes
        assert max(map(int, sizes)) <= 9
        first = page.locator("tbody th a").first
        first.press("Enter")
        page.get_by_role("img", name="Validation accuracy of trial").wait_for()
        assert page.locator("tbody th a").first.get_attribute("aria-expanded") == "true"
        page.locator("tbody th a").first.click()
        page.get_by_role("img", name="Validation accuracy of trial").wait_for(state="detached")
        assert seen.troubles == []


def test_the_keyboard_reaches_the_content_first(chromium: "Browser", record: StudyRecord) -> None:
    with window(chromium, record) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "To the content"
        assert seen.page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0, "it is seen"
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_print_has_the_studies_and_no_links_to_click(chromium: "Browser", published: StudyRecord) -> None:
    with window(chromium, published) as seen:
        seen.page.emulate_media(media="print")
        assert seen.page.get_by_role("heading", name="mine").is_visible()
        assert not seen.page.get_by_role("link", name="Report").is_visible()
        assert len(seen.page.pdf()) > 1000
