"""The pictures of pages that README.md and docs/ show.

    python -m benchmarks.screens [--chromium chromium]

It searches the digits with both nets in a folder of its own and writes benchmarks/pictures/: studies.png while the
second search runs, the others of the first study. But for times and durations they come out alike.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.commands import environment, timed
from mlpsearch.search.agents import reports
from mlpsearch.search.dashboard.server import serve
from mlpsearch.studies.record import open_study
from mlpsearch.studies.storage.opening import open_storage

PICTURES = Path(__file__).parent / "pictures"
PROGRAM = (sys.executable, "-P", "-m", "mlpsearch")
URL = "sqlite:///mlpsearch.db"  # as people have it: then no command on a page needs --storage
FIRST, SECOND = "digits-numpy", "digits-torch"
COLORS = 256
PATIENCE = 120_000  # milliseconds


def main() -> None:
    """Search, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="The browser.  [default: chromium]")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, chdir(name):
        folder = Path(name)
        timed([*PROGRAM, "run", FIRST], folder)
        with opened(given.chromium) as page:
            studies(page, folder)
            page.set_viewport_size({"width": 1160, "height": 900})
            for path, picture in (("?open=28", "study.png"), ("/report", "report.png")):
                page.goto(f"/studies/{FIRST}{path}")
                taken(page, picture, 1500)
            page.set_viewport_size({"width": 1400, "height": 900})
            page.goto("/dashboard/studies/1")
            page.locator(".js-plotly-plot:has(.main-svg *)").nth(5).wait_for()
            taken(page, "dashboard.png", 1720)
        (PICTURES / "report-image.png").write_bytes(reports.picture(open_study(URL, FIRST)))
        small(PICTURES / "report-image.png")


@contextmanager
def opened(chromium: str) -> Iterator[Page]:
    """A page of a browser on the dashboard of the studies in this folder."""
    server = serve(open_storage(URL), host="127.0.0.1", port=0)
    options = ["--no-sandbox", "--disable-gpu"]
    with server.in_background(), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(
            base_url=server.here, viewport={"width": 1000, "height": 900}, color_scheme="light"
        )
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def studies(page: Page, folder: Path) -> None:
    """Take the first page while a worker has a trial of the second study."""
    command = [*PROGRAM, "run", SECOND, "--trials", "200"]
    with subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL) as search:
        page.goto("/")
        page.get_by_text(re.compile(r"[3-9] finished, .*1 running")).wait_for()
        page.get_by_text("1 live worker").click()
        taken(page, "studies.png", 1500)
        search.terminate()


def taken(page: Page, name: str, height: int) -> None:
    """Take the upper part of a page, so many pixels of it at most."""
    size = page.viewport_size
    assert size is not None
    whole = page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(height, whole)}
    page.screenshot(path=PICTURES / name, full_page=True, clip=clip)  # type: ignore[arg-type]
    small(PICTURES / name)


def small(path: Path) -> None:
    """Keep a picture with few colours."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


if __name__ == "__main__":
    main()
