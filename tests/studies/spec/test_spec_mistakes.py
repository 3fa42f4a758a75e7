"""What is wrong in a study file is named in one line, with what is allowed."""

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpsearch.models.config import describe_allowed
from mlpsearch.models.errors import SpecError
from mlpsearch.studies.spec.reading import MAX_FILE_BYTES, load_spec, parse_spec
from tests.studies.spec.mistakes import AFTER_SEARCH, HIDDEN, IN_SEARCH, LINES
from tests.studies.specs import MINIMAL


def error_of(text: str) -> str:
    with pytest.raises(SpecError) as raised:
        parse_spec(text, "my.toml")
    message = str(raised.value)
    assert message.startswith("my.toml: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix("my.toml: ")


BAD_LINES = [
    *LINES,
    *((HIDDEN, wrong, message) for wrong, message in IN_SEARCH),
    *((HIDDEN, f"{HIDDEN}\n{added}", message) for added, message in AFTER_SEARCH),
]


@pytest.mark.parametrize(("line", "wrong", "message"), BAD_LINES, ids=[message[:60] for *_, message in BAD_LINES])
def test_a_mistake_is_named_with_its_key(line: str, wrong: str, message: str) -> None:
    assert MINIMAL.count(line) == 1
    assert message in error_of(MINIMAL.replace(line, wrong))


@pytest.mark.parametrize(
    ("entry", "is_right"),
    [
        ("dropout = { low = 0, high = 0.5 }", False),
        ("dropout = { low = 0, high = 0.5, step = 0.25 }", True),
        ("dropout = { choices = [0, 0.5] }", True),
        ("depth = { low = 2, high = 9, log = true }", True),
    ],
)
def test_a_grid_needs_an_end_of_values(entry: str, is_right: bool) -> None:
    text = MINIMAL.replace('"digits"', '"digits"\nsampler = "grid"') + entry
    if is_right:
        assert parse_spec(text, "my.toml").sampler == "grid"
    else:
        assert error_of(text) == "search.dropout: needs a step or choices: sampler = 'grid' tries each value"


@pytest.mark.parametrize("step", ["0", "-1", "nan", "inf", "1e-300", f"0x{'f' * 5000}"])
@pytest.mark.parametrize("field", ["depth", "momentum"])
def test_a_step_that_is_none_is_told_beside_a_starting_point(field: str, step: str) -> None:
    ends = "low = 2, high = 8" if field == "depth" else "low = 0.0, high = 0.5"
    start = 3 if field == "depth" else 0.25
    text = f"{MINIMAL}{field} = {{ {ends}, step = {step} }}\n[[start]]\n{field} = {start}"
    assert error_of(text).startswith(f"search.{field}.step = ")
    assert "start" not in error_of(text)


def test_all_mistakes_are_told() -> None:
    text = MINIMAL + "depth = { low = 3, high = 2 }\n[fixed]\nmomentum = 2\n[[start]]\ndepth = 99\n"
    assert error_of(text) == (
        "search.depth: is empty: low = 3 is above high = 2; "
        f"fixed.momentum = 2: must be {describe_allowed('momentum')}; "
        "start[1].depth = 99: must be from 3 to 2, as search.depth says"
    )


TABLES = "[fixed]\nmomentum = 2\n[[start]]\nhidden_size = 99\n"
FIXED = f"fixed.momentum = 2: must be {describe_allowed('momentum')}"
START = "start[1].hidden_size = 99: must be from 8 to 64, as search.hidden_size says"


@pytest.mark.parametrize(
    ("line", "wrong", "mistakes"),
    [
        ("epochs = 5", "epochs = 0", [f"budget.epochs = 0: must be {describe_allowed('epochs')}", FIXED, START]),
        (
            'net = "numpy"',
            'nett = "numpy"',
            ["nett: unknown key (did you mean net?)", "net: is missing", FIXED, START],
        ),
        # Nothing is told that may follow from what is wrong with a search entry.
        (HIDDEN, "hidden_size = { low = 8 }", ["search.hidden_size.high: is missing"]),
        (HIDDEN, f"{HIDDEN}\ndepth = 2", ["search.depth = 2: must be", FIXED]),
        (
            HIDDEN,
            f"{HIDDEN}\ndepth = 2\nepochs = {{ low = 1, high = 2 }}",
            ["search.depth", "search.epochs", FIXED],
        ),
        (HIDDEN, f"{HIDDEN}\nmomentum = 2", ["search.momentum = 2: must be", FIXED]),
        ('"digits"', '"images"\ndata = 7', ["data = 7: must be the path of images", FIXED, START]),
        ('"digits"', '"images"\nseed = -1', ["seed = -1", "data: is missing", FIXED, START]),
        (
            HIDDEN,
            "[start_]",
            ["start_: unknown key (did you mean start?)", "search: must name at least one", FIXED],
        ),
        ("[search]", "search = 7\n[serch]", ["serch: unknown key", "search = 7: must be a table"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_of_every_kind_are_told_together(line: str, wrong: str, mistakes: list[str]) -> None:
    text = MINIMAL.replace(line, wrong) + TABLES
    if wrong == "[start_]":
        text = text.removesuffix("[[start]]\nhidden_size = 99\n")
    if wrong.startswith("search ="):
        text = "search = 7\n" + MINIMAL.replace(line, "[serch]")
    told = error_of(text).replace("; it must", " it must").split("; ")
    for mistake, start in zip(told, mistakes, strict=True):
        assert mistake.startswith(start)


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted() -> None:
    error = error_of(MINIMAL + "".join(f"[x{number}]\n" for number in range(1000)))
    assert error.startswith("x0: unknown key (allowed: name, ")
    assert error.endswith("; and 980 more")
    assert len(error) < 5_000


def test_messages_stay_short() -> None:
    assert len(error_of(MINIMAL.replace('"digits"', f'"{"x" * 100_000}"'))) < 300
    assert len(error_of(MINIMAL + f"{'x' * 100_000} = 1")) < 300


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_the_text_the_answer_is_a_spec_or_one_line(data: st.DataObject) -> None:
    text = MINIMAL + "batch_size = { choices = [50, 100] }\n[fixed]\ndepth = 3\n[[start]]\nbatch_size = 50\n"
    words = re.findall(r"\w+|[^\w\s]|\s", text)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place] = data.draw(st.sampled_from([*words, "", "-1", "1e999", "'he'", "\0", "true", "[[a]]"]))
    message = ""
    try:
        parse_spec("".join(words), "my.toml")
    except SpecError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"name = '\xff'", "is not UTF-8 text (byte 8)"),
        (b"#" * (MAX_FILE_BYTES + 1), "is larger than 1,000,000 bytes"),
        (b"net = ", "is not valid TOML"),
        (MINIMAL.replace("trials = 3", "trials = 0").encode(), "budget.trials = 0"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=f"^{re.escape(f'{path}: {message}')}"):
        load_spec(path)


@pytest.mark.parametrize("name", ["my rows.csv", "pixels.npz", "pets"])
def test_data_in_place_of_a_study_file_are_told_from_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"size,kind\n1,a\n" if path.suffix == ".csv" else b"PK\x03\xff")
    else:
        path.mkdir()
    with pytest.raises(SpecError, match=r"; is it data\? `mlpsearch new .*` writes a study file") as caught:
        load_spec(path)
    assert f"mlpsearch new {shlex.quote(str(path))}`" in str(caught.value)
