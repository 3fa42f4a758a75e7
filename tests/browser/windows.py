"""A page of a browser on a dashboard, and what went wrong in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlpsearch.search.dashboard.server import serve
from mlpsearch.studies.record import StudyRecord
from tests.patience import PATIENCE_SECONDS
from tests.search.dashboard.makers import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request


class Window:
    """A page of the browser, and what went wrong in it: errors on the console, failed scripts and requests."""

    def __init__(self, page: "Page", address: str):
        self.page = page
        self.troubles: list[str] = []
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("requestfailed", self._failed)
        page.goto(address)

    def _heard(self, said: "ConsoleMessage") -> None:
        if said.type == "error":
            self.troubles.append(said.text)

    def _failed(self, request: "Request") -> None:
        if request.failure != "net::ERR_ABORTED":  # as every request does whose page is left
            self.troubles.append(f"{request.url} {request.failure}")

    def open(self, *paths: str) -> None:
        """Follow links; to load a page anew would take seconds.

        A visitor's clicks it must be: what scripts of Playwright call may compile code whatever the policy says.
        """
        for path in paths:
            self.page.locator(f"a[href='{path}']").first.click()

    def wait_for_plots(self, least: int) -> None:
        """Wait until that many plots have something drawn."""
        self.page.locator(".js-plotly-plot:has(.main-svg *)").nth(least - 1).wait_for(state="attached")


@contextmanager
def window(
    chromium: "Browser", record: StudyRecord, path: str = "", *, allow_writes: bool = False, **context: Any
) -> Iterator[Window]:
    """A page on a server of the study, at this path; context: as Playwright has it."""
    server = serve(record.storage, host="127.0.0.1", port=0, allow_writes=allow_writes)
    asked = {"viewport": {"width": 1280, "height": 900}} | context
    with running(server) as address, chromium.new_context(**asked) as visitor:
        yield Window(visitor.new_page(), address.rstrip("/") + path)
