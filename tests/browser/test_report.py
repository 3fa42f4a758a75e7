"""The report in a real browser, from a file: charts are drawn, nothing runs, and it fits a phone and paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from optuna.trial import TrialState

from mlpsearch.search.report import study_report
from mlpsearch.search.report.comparison import compare, write_comparison
from mlpsearch.search.report.search_figures import FEWEST_FINISHED
from mlpsearch.search.report.study_report import write_report
from mlpsearch.search.report.svg import bars
from mlpsearch.search.service import evaluate
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.study_data import load_study_data
from tests.browser.conftest import violations
from tests.patience import PATIENCE_SECONDS
from tests.search.makers import digits_study, never
from tests.search.report.compared import study
from tests.search.report.makers import HOSTILE, add

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DRAWN = ".chart:has(path[d], circle, rect)"
# Names beside the axes of a chart that lie over each other, or beyond the part of the page that it may take.
CROSSED = """() => [...document.querySelectorAll(".chart")].flatMap(chart => {
  const room = (chart.closest(".scroll") ?? document.documentElement).scrollWidth;
  const names = [...chart.querySelectorAll(".xtick, .ytick, .axis-name, .of-trial")].map(text => ({
    text: text.textContent, box: text.getBoundingClientRect(), turned: text.hasAttribute("transform") }));
  const over = (one, other) => one.box.left < other.box.right - 1 && other.box.left < one.box.right - 1
    && one.box.top < other.box.bottom - 2 && other.box.top < one.box.bottom - 2;
  return names.flatMap((one, place) => [
    ...names.slice(place + 1).filter(other => !one.turned && !other.turned && over(one, other)).map(
      other => `${one.text} over ${other.text}`),
    ...(one.box.width > 0 && one.box.right - chart.getBoundingClientRect().left <= room + 1 ? [] : [one.text])]);
})"""
# What is cut, and does not say so; or says so, and is not cut.
CUT = """() => [...document.querySelectorAll(".scroll")].filter(
  box => (box.scrollWidth > box.clientWidth)
    !== (getComputedStyle(box.nextElementSibling ?? box).visibility === "visible")).map(box => box.ariaLabel)"""
# The contrast of each text in a cell with its cell, and of marks in both colour schemes.
CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext(
    "2d", {willReadFrequently: true});
  const light = color => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(
      part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const look = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  look.innerHTML = [...Array(10).keys()].map(
    number => `<rect class="shade${number}"/><text class="on-shade${number}"/>`).join("");
  const chart = Object.assign(document.createElement("div"), {className: "chart"});
  chart.append(look);
  document.body.append(chart);
  const fills = [...look.children].map(one => light(getComputedStyle(one).fill));
  chart.remove();
  return [...Array(10).keys()].map(number => {
    const [low, high] = [fills[2 * number], fills[2 * number + 1]].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  });
}"""


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
        record.storage.close()
    return folder


def _enrich(record: StudyRecord) -> None:
    """Make it a study of many trials, one of which failed, whose classes have names of the worst kind."""
    for number in range(2 * FEWEST_FINISHED):
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
            assert page.locator(".chart").count() == 9
            assert page.locator("script").count() == 0
            assert min(page.evaluate(CONTRASTS)) >= 4.5
            pictures = page.locator("img").evaluate_all("pictures => pictures.map(one => one.naturalWidth)")
            assert len(pictures) > 1
            assert all(pictures)


@pytest.mark.parametrize("name", ["report", "compare"])
def test_nothing_keeps_people_from_reading(chromium: "Browser", pages: Path, axe: str, name: str) -> None:
    for scheme in ("light", "dark"):
        with opened(chromium, pages / f"{name}.html", color_scheme=scheme) as page:
            assert violations(page, axe) == [], scheme


def test_names_of_classes_are_shown_as_they_are(chromium: "Browser", pages: Path) -> None:
    with opened(chromium, pages / "report.html") as page:
        labels = page.locator(".chart .xtick").all_text_contents()
        assert f"{HOSTILE[:23]}…" in labels
        assert "<i>one</i>" in labels


@pytest.mark.parametrize("name", ["report", "empty", "compare"])
def test_it_fits_a_phone(chromium: "Browser", pages: Path, tmp_path: Path, name: str) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(chromium, pages / f"{name}.html", **phone) as page:
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert drawn(page) or name == "empty"
        assert page.evaluate(CUT) == []


def test_long_names_beside_bars_fit_a_phone(chromium: "Browser", tmp_path: Path) -> None:
    style = Path(study_report.__file__).with_name("templates") / "style.css"
    rows = bars(
        [("flipper_length_in_millimetres_of_the_left", 1.0, "18.55 ± 3.50 points"), ("sex", 0.1, "0.18 points")]
    )
    page_of_bars = f"<meta charset=utf-8><style>{style.read_text('utf-8')}</style><main>{rows}</main>"
    (tmp_path / "bars.html").write_text(page_of_bars, "utf-8")
    with opened(chromium, tmp_path / "bars.html", viewport={"width": 360, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("width", [390, 1400])
def test_no_name_beside_an_axis_lies_over_another_or_is_cut(chromium: "Browser", pages: Path, width: int) -> None:
    for name in ("report", "compare"):
        with opened(chromium, pages / f"{name}.html", viewport={"width": width, "height": 900}) as page:
            assert page.evaluate(CROSSED) == []


def test_tables_take_the_width_that_there_is(chromium: "Browser", pages: Path) -> None:
    with opened(chromium, pages / "report.html", viewport={"width": 1400, "height": 900}) as page:
        cut = page.locator(".scroll").evaluate_all(
            "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel)"
        )
        assert cut == []


def test_it_prints_dark_on_white_with_all_details(chromium: "Browser", pages: Path, tmp_path: Path) -> None:
    with opened(chromium, pages / "report.html", color_scheme="dark") as page:
        page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
        page.emulate_media(media="print")
        assert page.locator("details pre").evaluate("text => text.checkVisibility({contentVisibilityAuto: true})")
        assert (
            page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
        )
        text = page.locator(".chart text").first.evaluate("text => getComputedStyle(text).fill")
        assert text == "rgb(93, 103, 111)", "dark"
        page.screenshot(path=tmp_path / "print.png", full_page=True)


def test_studies_side_by_side_in_one_plot(chromium: "Browser", pages: Path, tmp_path: Path) -> None:
    with opened(chromium, pages / "compare.html") as page:
        page.screenshot(path=tmp_path / "compare.png", full_page=True)
        assert drawn(page)
        assert page.locator(".legend span").all_text_contents() == ["mine", "one", "two"]
