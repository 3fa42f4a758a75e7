"""The pages: templates filled with what is known of studies, each one file that needs no other, and no script.

Whatever comes from a storage is untrusted. Jinja2 and MarkupSafe escape it, and the page's policy lets no script
run.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from inspect import isfunction
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mlpsearch.models.errors import ReportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.search.results import wording

_SUFFIXES = (".html", ".htm")
_TEMPLATES = Path(__file__).parent / "templates"
_WORDING = {name: function for name, function in vars(wording).items() if isfunction(function)}
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart on a page.

    title, note: what it shows; may be empty.  half: whether two stand side by side.
    wide: whether a phone shows a part of it at a time.
    """

    title: str
    drawing: Markup
    note: str = ""
    half: bool = False
    wide: bool = False


@cache
def templates(*folders: Path) -> Environment:
    """Return the templates in folders, and those of reports; each knows how numbers are written.

    Values are escaped, and one that a template needs and lacks is an error.
    """
    environment = Environment(
        loader=FileSystemLoader([*folders, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= _WORDING
    return environment


def render(template: str, **values: Any) -> bytes:
    """Return a template of reports filled with values, as HTML."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return templates().get_template(template).render(now=now, policy=_POLICY, **values).encode()


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
