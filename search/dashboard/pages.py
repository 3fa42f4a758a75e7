"""Our own pages, in front of optuna-dashboard's.

/                            the studies: how each stands, its headline, and where to go from there
/studies/NAME                one study, with the table of its trials
/studies/NAME/report         its report
/studies/NAME/files/FILE     its configuration, weights, ONNX model and trials, made when asked for
/metrics                     numbers for Prometheus
/refresh.js                  what keeps the pages up to date
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from jinja2 import Environment
from markupsafe import Markup, escape

from mlpsearch.models.errors import MlpsearchError, StudyError
from mlpsearch.search.dashboard.answers import answer, body_answer
from mlpsearch.search.dashboard.cards import address_of, card_of
from mlpsearch.search.dashboard.downloads import TYPES
from mlpsearch.search.dashboard.made import TRIALS, Maker
from mlpsearch.search.dashboard.metrics import KIND, scraped
from mlpsearch.search.dashboard.reading import Reading, Seen
from mlpsearch.search.dashboard.timing import Timing
from mlpsearch.search.dashboard.trial_table import Pairs, canonical, trial_table
from mlpsearch.search.report.page import templates
from mlpsearch.studies.hints import command
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import Storage, without_password

_HTML, _SCRIPT = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
_FRESH = ("Cache-Control", "no-store")
_OF_STUDY = re.compile(r"/studies/([^/]+)(?:/(report)|/files/([^/]+))?")
_MOST_FIELDS = 300  # of an address
_HERE = Path(__file__).parent / "templates"


class _UnknownError(Exception):
    """There is no such study, or no such file of it."""


class _MovedError(Exception):
    """The page has this shorter address."""


class Pages:
    """A WSGI application that answers our own pages, and leaves all else to another.

    others: optuna-dashboard.  timing: how long requests took, for /metrics.
    """

    def __init__(self, storage: Storage, others: WSGIApplication, timing: Timing):
        self._storage = storage
        self._others = others
        self._timing = timing
        self._reading = Reading(storage)
        self._maker = Maker()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = self._found(environ["PATH_INFO"], environ)
        if found is None:
            return self._others(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            line = "this page only reads"
            return answer(environ, start_response, HTTPStatus.METHOD_NOT_ALLOWED, line, [("Allow", "GET, HEAD")])
        try:
            kind, body, headers = found()
        except _MovedError as error:
            location = [("Location", str(error)), _FRESH]
            return answer(environ, start_response, HTTPStatus.SEE_OTHER, "its shorter address", location)
        except _UnknownError:
            return answer(environ, start_response, HTTPStatus.NOT_FOUND, "no such page")
        except MlpsearchError as error:
            return answer(environ, start_response, HTTPStatus.CONFLICT, str(error))
        return body_answer(environ, start_response, kind, body, [_FRESH, *headers])

    def _found(self, path: str, environ: WSGIEnvironment) -> "Callable[[], _Answer] | None":
        """What makes the answer; None where the path is none of ours."""
        if path == "/":
            return self._front
        if path == "/metrics":
            return lambda: (KIND, scraped(self._reading.studies(), self._timing.seconds()), ())
        if path == "/refresh.js":
            return lambda: (_SCRIPT, (_HERE / "refresh.js").read_bytes(), ())
        match = _OF_STUDY.fullmatch(path)
        if match is None:
            return None
        name, report, file = match.groups()
        if report:
            return lambda: (_HTML, self._maker.report(self._study(name).record), ())
        if file:
            return lambda: self._file(self._study(name).record, file)
        return lambda: self._trials(self._study(name), environ.get("QUERY_STRING", ""))

    def _study(self, name: str) -> Seen:
        found = self._reading.study(name)
        if found is None:
            raise _UnknownError
        if isinstance(found, Seen):
            return found
        raise StudyError(f"study {name}: {found.trouble}", study=name)

    def _front(self) -> "_Answer":
        url = self._storage.url
        page = _render(
            "front.html",
            cards=[card_of(one) for one in self._reading.studies()],
            storage=without_password(url),
            first_command=command(url, "run", "digits-numpy"),
        )
        return _HTML, page, ()

    def _trials(self, one: Seen, query: str) -> "_Answer":
        given = _pairs(query)
        asked = canonical(one.record, given)
        if asked != given:  # as a form sends it: all fields, also those that nobody has filled in
            raise _MovedError(f"{address_of(one.record.name)}{'?' if asked else ''}{urlencode(asked)}")
        with one.record.noticing_deletion():
            trials = one.record.own_trials()
        card = card_of(one)
        table = trial_table(one.record, trials, card.winner, asked)
        return _HTML, _render("study.html", card=card, table=table, trials_file=TRIALS), ()

    def _file(self, record: StudyRecord, name: str) -> "_Answer":
        content = self._maker.file(record, name)
        if content is None:
            raise _UnknownError
        kind = TYPES.get(Path(name).suffix, "application/octet-stream")
        return kind, content, (("Content-Disposition", f'attachment; filename="{name}"'),)


def _pairs(query: str) -> Pairs:
    try:
        return tuple(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return ()


_Answer = tuple[str, bytes, tuple[tuple[str, str], ...]]


@cache
def _templates() -> Environment:
    """Ours, which share the style sheet of reports."""
    environment = templates(_HERE)
    environment.filters |= {"coded": _coded, "sentence": _sentence}
    return environment


def _render(template: str, **values: Any) -> bytes:
    """A template filled with values; whatever comes from a storage is text in it."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return _templates().get_template(template).render(now=now, **values).encode("utf-8", "replace")


def _coded(text: str) -> Markup:
    """A sentence with the commands in it, which are between backticks, as code."""

    def parts() -> Iterator[Markup]:
        for place, part in enumerate(text.split("`")):
            yield Markup("<code>{}</code>").format(part) if place % 2 else escape(part)

    return Markup("").join(parts())


def _sentence(text: str) -> str:
    """What is said as a part of a sentence, as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '`')) else '.'}"
