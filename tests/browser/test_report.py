"""The report in a real browser, from a file: plots are drawn, nothing else runs, and it fits a phone and paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from mlpsearch.search.report.comparison import compare, write_comparison
from mlpsearch.search.report.study_report import write_report
from mlpsearch.search.service import evaluate
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.study_data import load_study_data
from tests.patience import PATIENCE_SECONDS
from tests.search.makers import digits_study, never
from tests.search.report.test_compare import study
from tests.search.report.test_study_report import HOSTILE, add

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STYLE = "element => [getComputedStyle(element).backgroundColor, getComputedStyle(element).filter]"
DRAWN = ".chart:has(.scatterlayer path, .barlayer path, .heatmaplayer image, .contourlayer path)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of a tested study, of one without trials, and a comparison."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLPSEARCH_CACHE", str(folder / "cache"))
        record = digits_study(folder / "digits", "numpy")
        write_report(record, folder / "empty.html")
        Worker(record, load_study_data(record), never).run()
        evaluate(record, "mlpsearch evaluate mine")
        _enrich(record)
        write_report(record, folder / "report.html")
        others = [study(record.url, name, 0.3, 0.4, 0.5) for name in ("one", "two")]
        write_comparison(compare([record, *others]), folder / "compare.html")
        record.storage.engine.dispose()
    return folder


def _enrich(record: StudyRecord) -> None:
    """Make it a study of many trials, one of which failed, whose classes have names of the worst kind."""
    for number in range(20):
        pruned = number % 3 == 2
        add(
            record,
            0.1 + 0.01 * (number % 7),
            TrialState.PRUNED if pruned else TrialState.COMPLETE,
            hidden_size=4 + number % 13,
            learning_rate=0.001 * (1 + number),
        )
    add(record, 0.1, TrialState.FAIL)
    (test,) = record.attributes()["tests"]
    record.set("tests", [test | {"classes": [HOSTILE, "<i>one</i>", *map(str, range(2, 10))]}])


@contextmanager
def opened(chromium: "Browser", path: Path, **context: Any) -> Iterator["Page"]:
    """The page in a window; fails when its console or its scripts complained, or it asked for another file."""
    troubles: list[str] = []
    options = {"viewport": {"width": 1000, "height": 800}, **context}
    with chromium.new_context(**options) as window:
        page = window.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("console", lambda said: troubles.append(said.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url) if "http" in request.url[:4] else None)
        page.goto(path.as_uri())
        yield page
        assert page.evaluate("window.ran") is None
        assert troubles == []


def drawn(page: "Page") -> bool:
    """Whether every plot has something drawn in it."""
    return 0 < page.locator(".chart").count() == page.locator(DRAWN).count()


def test_every_plot_is_drawn_and_nothing_complains(chromium: "Browser", pages: Path, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        with opened(chromium, pages / "report.html", color_scheme=scheme) as page:
            page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
            assert drawn(page)
            assert page.locator(".chart").count() == 10
            pictures = page.locator("img").evaluate_all("pictures => pictures.map(one => one.naturalWidth)")
            assert len(pictures) > 1
            assert all(pictures)


def test_names_of_classes_are_shown_as_they_are(chromium: "Browser", pages: Path) -> None:
    with opened(chromium, pages / "report.html") as page:
        labels = page.locator(".chart .ytick").all_text_contents()
        assert f"{HOSTILE[:23]}…" in labels
        assert "<i>one</i>" in labels


@pytest.mark.parametrize("name", ["report", "empty", "compare"])
def test_it_fits_a_phone(chromium: "Browser", pages: Path, tmp_path: Path, name: str) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(chromium, pages / f"{name}.html", **phone) as page:
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert drawn(page) or name == "empty"


def test_it_prints_dark_on_white_with_all_details(chromium: "Browser", pages: Path, tmp_path: Path) -> None:
    with opened(chromium, pages / "report.html", color_scheme="dark") as page:
        page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details[open]").count() == 1
        page.emulate_media(media="print")
        assert (
            page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert page.locator(".chart").first.evaluate("plot => getComputedStyle(plot).filter") == "none"
        page.screenshot(path=tmp_path / "print.png", full_page=True)


def test_studies_side_by_side_in_one_plot(chromium: "Browser", pages: Path, tmp_path: Path) -> None:
    with opened(chromium, pages / "compare.html") as page:
        page.screenshot(path=tmp_path / "compare.png", full_page=True)
        assert drawn(page)
        assert page.locator(".legendtext").all_text_contents() == ["mine", "one", "two"]
