"""The pages: templates filled with what is known of studies, each one file that needs no other.

Whatever comes from a storage is untrusted. Jinja2 escapes it in the markup, plots are JSON in which no tag can
begin, and the page's policy lets no script run but the two that belong to it.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mlpsearch.models.errors import ReportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.search.results.wording import (
    bias,
    difference,
    duration,
    interval,
    items,
    known_images,
    lead,
    mean_and_deviation,
    moment,
    percent,
    points,
    score,
    short,
    tested_score,
)

_SUFFIXES = (".html", ".htm")
_TEMPLATES = Path(__file__).parent / "templates"
_WORDING = (
    *(bias, difference, duration, interval, items, known_images, lead, mean_and_deviation, moment, percent),
    *(points, score, short, tested_score),
)


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure on a page.

    title, note: what it shows; may be empty.  height: in pixels.  half: whether two stand side by side.
    """

    title: str
    figure: go.Figure
    note: str = ""
    height: int = 360
    half: bool = False

    @property
    def json(self) -> Markup:
        """The figure as JSON for a script element, in which no tag can begin."""
        document = json.loads(self.figure.to_json())
        document["layout"] = {**document["layout"], "template": _TEMPLATE, "height": self.height}
        document["layout"].pop("title", None)  # the page has its own
        return Markup(json.dumps(document).replace("<", "\\u003c"))  # noqa: S704 - no tag can begin in it


_AXIS = {"gridcolor": "#dde2e6", "zeroline": False, "automargin": True, "exponentformat": "none"}
_TEMPLATE: dict[str, Any] = {
    "layout": {
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#333a40"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 16, "b": 8},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    }
}


def render(template: str, **values: Any) -> bytes:
    """Return a template filled with values, as HTML; a value that the template needs and lacks is an error."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals |= {
        **{function.__name__: function for function in _WORDING},
        "style": _own("style.css"),
        "scripts": _scripts(),
        "policy": _policy(),
        "now": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return environment.get_template(template).render(**values).encode()


def refuse_other_endings(path: Path) -> None:
    """Raise ReportError where the name of a page would say that it is something else."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ReportError(f"{path}: must end in {' or '.join(_SUFFIXES)}", path=path)


def write_page(path: Path, page: bytes) -> None:
    """Write a page. Raises ReportError where that is not possible."""
    refuse_other_endings(path)
    try:
        write_atomically(path, page)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror})", path=path) from error


@cache
def _scripts() -> tuple[Markup, Markup]:
    """Plotly, and what draws the plots with it."""
    return Markup(get_plotlyjs()), _own("plots.js")  # noqa: S704 - nothing of a study's


def _own(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text("utf-8"))  # noqa: S704 - nothing of a study's


def _policy() -> str:
    """The content security policy: these scripts by their hashes, and nothing from elsewhere."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in _scripts())
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {scripts}"
