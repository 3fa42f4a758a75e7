"""Charts as SVG within a page: they need no script, follow its colours, and take the width there is.

Across, places are shares of the drawn area, so that texts keep their size on a phone; up and down they are pixels.
Whatever is written into a chart is escaped.
"""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from mlpsearch.search.report.axes import Axis

_TOP, _RIGHT, _BOTTOM = 26, 18, 42  # pixels around the drawn area
_CHARACTER = 7  # pixels that one is wide, about
_UNITS = 1000  # across and up, of the paths
_PHONE = 328  # pixels that a chart has on a small one
_SHADES = 10
_LINE = 13  # pixels from one text to the one below
_CELL = (30, 66)  # pixels that a cell of categories is wide, at least and at most
_BETWEEN = 105  # pixels between parallel axes, at least

Point = tuple[float, float]


class Chart:
    """A chart that is drawn piece by piece, the first at the bottom.

    label: what it shows, for those who hear the page.  height: of the drawn area, in pixels.
    The look of each piece is a class of the style sheet: "best", "good", "other", "pruned", "shade0" to "shade9".
    """

    def __init__(self, label: str, x: Axis, y: Axis, height: int = 280, *, right: int = _RIGHT):
        self._label, self._x, self._y, self._height, self._right = label, x, y, height, right
        self._lines: list[Markup] = []
        self._rest: list[Markup] = []

    def line(self, points: Sequence[Point], look: str, tip: str = "", *, stairs: bool = False) -> None:
        """Draw a line through points; what lies beyond the axes is cut off."""
        places = [(self._x.place(x), self._y.place(y)) for x, y in points]
        drawn = _path(places, stairs)
        text = Markup("<path class='{}' d='{}'>{}</path>").format(look, drawn, _tip(tip))
        self._lines.append(text)

    def dot(self, x: float, y: float, look: str, tip: str = "") -> None:
        """Draw a point; one beyond the axis of y is a ring at its end."""
        across, down = self._across(x), self._down(y)
        if not 0 <= self._y.place(y) <= 1:
            look, down = f"{look} beyond", "0" if self._y.place(y) > 1 else str(self._height)
        text = Markup("<circle class='{}' cx='{}' cy='{}'>{}</circle>").format(look, across, down, _tip(tip))
        self._rest.append(text)

    def cell(self, x: float, y: float, look: str, tip: str = "", text: str = "") -> None:
        """Fill the square of two categories, and write a text in its middle."""
        left, right = self._x.place(x - 0.5), self._x.place(x + 0.5)
        bottom, top = self._y.place(y - 0.5), self._y.place(y + 0.5)
        self.patch((left, bottom), (right, top), look, tip)
        if text:
            self._rest.append(
                Markup("<text class='middle on-{}' x='{}' y='{}' dy='0.35em'>{}</text>").format(
                    look, self._across(x), self._down(y), text
                )
            )

    def patch(self, first: Point, second: Point, look: str, tip: str = "") -> None:
        """Fill a rectangle between two corners, left below and right above, given as shares of the drawn area."""
        (left, bottom), (right, top) = first, second
        place = _percent(left), _px((1 - top) * self._height)
        size = _percent(right - left), _px((top - bottom) * self._height)
        rect = Markup("<rect class='{}' x='{}' y='{}' width='{}' height='{}'>{}</rect>")
        self._rest.append(rect.format(look, *place, *size, _tip(tip)))

    def bar(self, x: float, low: float, high: float) -> None:
        """Draw a thin line up and down: how far a value may be off."""
        across = self._across(x)
        line = Markup("<line class='spread' x1='{0}' x2='{0}' y1='{1}' y2='{2}'/>")
        self._rest.append(line.format(across, self._down(low), self._down(high)))

    def beside(self, labels: Iterable[tuple[float, str, str]]) -> None:
        """Write texts at the right end, (value, text, look), near their values and without overlap."""
        wanted = [((1 - self._y.place(value)) * self._height, text, look) for value, text, look in labels]
        wanted.sort(key=lambda label: label[0])
        top = 0.0
        for place, (down, text, look) in enumerate(wanted):
            left = len(wanted) - place - 1
            top = max(top, min(down, self._height - _LINE * left))
            label = Markup("<text class='{}' x='100%' dx='6' y='{}' dy='0.35em'>{}</text>")
            self._rest.append(label.format(look, _px(top), text))
            top += _LINE

    def markup(self) -> Markup:
        """Return the chart."""
        left = 10 + _CHARACTER * max((len(text) for _, text in self._y.ticks), default=0)
        turned, longest = self._is_crowded(left), max((len(text) for _, text in self._x.ticks), default=0)
        bottom = 30 + round(0.75 * _CHARACTER * longest) if turned else _BOTTOM
        width = ""
        if self._x.is_named and self._y.is_named:
            narrow, wide = (left + self._right + size * len(self._x.ticks) for size in _CELL)
            width = f";min-width:{narrow}px;max-width:{wide}px"
        frame = [*self._across_lines(left), *self._names_below(bottom, turned)]
        area = Markup(
            "<svg class='lines' width='100%' height='100%' viewBox='0 0 {0} {0}' "
            "preserveAspectRatio='none'>{1}</svg>"
        ).format(_UNITS, Markup().join(self._lines))
        return Markup(
            "<div class='chart' style='padding:{}px {}px {}px {}px{}'>"
            "<svg width='100%' height='{}' role='img' aria-label='{}'>{}{}{}</svg></div>"
        ).format(
            _TOP, self._right, bottom, left, width, self._height, self._label,
            Markup().join(frame), area, Markup().join(self._rest),
        )  # fmt: skip

    def _is_crowded(self, left: int) -> bool:
        """Whether the names below need to be turned so that they do not overlap on a phone."""
        names = [text for _, text in self._x.ticks]
        room = _PHONE - left - self._right
        if not self._x.is_named:
            return _CHARACTER * sum(len(name) + 1 for name in names) > room
        narrow, wide = _CELL
        cell = room / max(1, len(names))
        cell = max(narrow, min(wide, cell)) if self._y.is_named else cell
        return any(_CHARACTER * len(name) + 4 > cell for name in names)

    def _across_lines(self, left: int) -> Iterable[Markup]:
        for place, text in self._y.ticks:
            down = _px((1 - place) * self._height)
            if not self._y.is_named:
                yield Markup("<line class='grid' x1='0' x2='100%' y1='{0}' y2='{0}'/>").format(down)
            yield Markup("<text class='end ytick' x='-7' y='{}' dy='0.35em'>{}</text>").format(down, text)
        yield Markup("<text class='title' x='{}' y='-12'>{}</text>").format(8 - left, self._y.title)

    def _names_below(self, bottom: int, turned: bool) -> Iterable[Markup]:
        for place, text in self._x.ticks:
            yield Markup("<line class='tick' x1='{0}' x2='{0}' y1='{1}' y2='{2}'/>").format(
                _percent(place), self._height, self._height + 4
            )
            yield (
                _turned(place, self._height + 12, text)
                if turned
                else Markup("<text class='middle xtick' x='{}' y='{}'>{}</text>").format(
                    _percent(place), self._height + 17, text
                )
            )
        yield Markup("<text class='end title' x='100%' y='{}'>{}</text>").format(
            self._height + bottom - 6, self._x.title
        )

    def _across(self, x: float) -> str:
        return _percent(self._x.place(x))

    def _down(self, y: float) -> str:
        return _px((1 - self._y.place(y)) * self._height)


def parallel(label: str, axes: Sequence[Axis], lines: Iterable[tuple[list[float | None], str, str]]) -> Markup:
    """Return vertical axes side by side, and lines through them: (a value an axis, look, tip).

    A value beyond its axis is drawn at its end.
    """
    height, last = 300, max(1, len(axes) - 1)
    paths = []
    for values, look, tip in lines:
        known = [
            (number / last, max(0.0, min(1.0, axis.place(value))))
            for number, (axis, value) in enumerate(zip(axes, values, strict=True))
            if value is not None
        ]
        paths.append(Markup("<path class='{}' d='{}'>{}</path>").format(look, _path(known, False), _tip(tip)))
    names: list[Markup] = []
    for number, axis in enumerate(axes):
        across, is_last = _percent(number / last), 0 < number == last
        side = "end" if is_last else ("middle" if number else "")
        up = -28 if number % 2 else -12  # two rows, so that neighbours do not overlap
        names.append(Markup("<line class='axis' x1='{0}' x2='{0}' y1='0' y2='{1}'/>").format(across, height))
        names.append(
            Markup("<text class='axis-name {}' x='{}' y='{}'>{}</text>").format(side, across, up, axis.title)
        )
        for place, text in axis.ticks:
            names.append(
                Markup("<text class='on-axis{}' x='{}' dx='{}' y='{}' dy='0.35em'>{}</text>").format(
                    " end" if is_last else "", across, -6 if is_last else 6, _px((1 - place) * height), text
                )
            )
    return Markup(
        "<div class='chart' style='padding:46px 12px 12px 12px;min-width:{5}px'>"
        "<svg width='100%' height='{0}' role='img' aria-label='{1}'><svg class='lines' width='100%' height='100%' "
        "viewBox='0 0 {2} {2}' preserveAspectRatio='none'>{3}</svg>{4}</svg></div>"
    ).format(height, label, _UNITS, Markup().join(paths), Markup().join(names), _BETWEEN * last)


def bars(rows: Iterable[tuple[str, float, str]]) -> Markup:
    """Return a table with a bar a row: its name, its length from 0 to 1, and what is written beside it."""
    row = Markup(
        "<tr><th scope='row'>{}</th><td><span class='bar'><span style='width:{}'></span></span></td>"
        "<td class='number'>{}</td></tr>"
    )
    drawn = [row.format(name, _percent(max(0.0, min(1.0, length))), text) for name, length, text in rows]
    return Markup("<table class='bars'><tbody>{}</tbody></table>").format(Markup("\n").join(drawn))


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return what the looks of a chart mean: (look, text)."""
    keys = [Markup("<span><i class='key {}'></i>{}</span>").format(look, text) for look, text in entries]
    return Markup("<p class='legend'>{}</p>").format(Markup(" ").join(keys))


def shade(rank: float) -> str:
    """Return the look of a rank, 0 for the worst to 1 for the best."""
    return f"shade{min(_SHADES - 1, int(_SHADES * rank))}"


def _path(places: Sequence[Point], stairs: bool) -> str:
    """A path through places from 0 to 1; a single one is a dot, for its ends are round."""
    points = [(round(_UNITS * x, 1), round(_UNITS * (1 - y), 1)) for x, y in places]
    pieces, before = [], None
    for x, y in points:
        if before is None:
            pieces.append(f"M{x:g} {y:g}")
        else:
            pieces.append(f"H{x:g}V{y:g}" if stairs else f"L{x:g} {y:g}")
        before = x, y
    return "".join(pieces) + ("h0" if len(points) == 1 else "")


def _turned(place: float, down: int, text: str) -> Markup:
    return Markup(
        "<svg x='{}' y='{}' width='1' height='1'><text class='end xtick' transform='rotate(-40)'>{}</text></svg>"
    ).format(_percent(place), down, text)


def _tip(text: str) -> Markup:
    return Markup("<title>{}</title>").format(text) if text else Markup()


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _px(pixels: float) -> str:
    return f"{pixels:.4g}"
