"""A page as a browser reads it, its charts, and results of studies for pages and figures."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from tests.search.makers import TESTED

CONFIRMATION = {
    "seeds": [11, 12, 13],
    "candidates": [
        {
            "trial": 1,
            "params": {"hidden_size": 5},
            "search_accuracy": 0.6,
            "accuracies": [0.57, 0.58, 0.59],
            "mean": 0.58,
            "deviation": 0.01,
        },
        {
            "trial": 0,
            "params": {"hidden_size": 4},
            "search_accuracy": 0.61,
            "accuracies": [0.5, 0.51, 0.52],
            "mean": 0.51,
            "deviation": 0.01,
        },
    ],
    "winner": 1,
    "chance": 0.2,
    "selection_bias": 0.03,
    "search_trials": 2,
    "reported": {"seeds": [21, 22, 23], "accuracies": [0.56, 0.58, 0.6], "mean": 0.58, "deviation": 0.02},
}


TEST = TESTED | {
    "trial": 1,
    "validation_accuracy": 0.58,
    "accuracy": 0.5525,
    "interval": [0.51, 0.59],
    "images": 40,
    "classes": ["cat", "dog"],
    "confusion": [[15, 5], [9, 11]],
}


class Page(HTMLParser):
    """A page as a browser reads it: elements, texts and scripts."""

    def __init__(self, page: bytes):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self._page = page.decode()
        self.feed(self._page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        if tag == "td":
            self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    @property
    def plain(self) -> str:
        """All text, with single spaces."""
        return " ".join(self.text.split())

    @property
    def ids(self) -> list[str]:
        return [identity for _, attributes in self.tags if (identity := attributes.get("id"))]

    @property
    def charts(self) -> list["Chart"]:
        """What is drawn on it, in its order."""
        return charts(self._page)


class Chart:
    """A chart as a browser reads it."""

    def __init__(self, markup: str):
        self.root = ElementTree.fromstring(markup)

    @property
    def label(self) -> str:
        (drawing,) = (one for one in self.root.iter("svg") if one.get("role") == "img")
        return drawing.get("aria-label", "")

    def texts(self, look: str = "") -> list[str]:
        """The texts of a look, or all."""
        return [
            one.text or "" for one in self.root.iter("text") if look in one.get("class", "").split() or not look
        ]

    def drawn(self, tag: str, look: str = "") -> list[ElementTree.Element]:
        """The elements of a tag and a look."""
        return [one for one in self.root.iter(tag) if look in one.get("class", "").split() or not look]

    def tips(self, tag: str, look: str = "") -> list[str]:
        """What is said where the pointer is."""
        return [one.findtext("title", "") for one in self.drawn(tag, look)]


def charts(markup: str) -> list[Chart]:
    """The charts of a page, or of a part of one; each must be well-formed XML."""
    return [Chart(one) for one in re.findall(r"<div class='chart'.*?</div>", markup, re.DOTALL)]
