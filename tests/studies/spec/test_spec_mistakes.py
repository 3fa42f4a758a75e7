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
from tests.studies.specs import MINIMAL


def error_of(text: str) -> str:
    with pytest.raises(SpecError) as raised:
        parse_spec(text, "my.toml")
    message = str(raised.value)
    assert message.startswith("my.toml: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix("my.toml: ")


HIDDEN = "hidden_size = { low = 8, high = 64 }"
WHOLE = describe_allowed("hidden_size")


# What replaces a line of MINIMAL (or is put after it) -> the message
BAD_LINES = [
    # the top of the file
    ('name = "mine"', "", "name: is missing; it must be 1 to 100 letters"),
    ('name = "mine"', 'name = "my study"', "name = 'my study': must be 1 to 100 letters"),
    ('name = "mine"', 'name = "../mine"', "name = '../mine': must be"),
    ('name = "mine"', 'name = "mine\\n"', r"name = 'mine\n': must be"),
    ('name = "mine"', f'name = "{"m" * 101}"', "letters, digits, '.', '_' or '-'"),
    ('name = "mine"', "name = 7", "name = 7: must be"),
    ('"numpy"', '"tensorflow"', "net = 'tensorflow': must be 'numpy' or 'torch'"),
    (
        '"digits"',
        '"emnist"',
        "dataset = 'emnist': must be one of 'digits', 'iris', 'wine', 'breast-cancer', 'letter-like', 'cifar10', "
        "'mnist', 'fashion-mnist', 'images', 'table', 'arrays'",
    ),
    ('"digits"', '"images"', "data: is missing: dataset = 'images' needs the path"),
    ('"digits"', '"digits"\ndata = ""', "data = '': must be the path"),
    ('"digits"', '"digits"\nvalidation = 0', "validation = 0: must be a whole number of at least 1"),
    (
        '"digits"',
        '"digits"\nvalidation = 1.0',
        "validation = 1.0: must be a whole number of at least 1, or a share",
    ),
    ('"digits"', '"digits"\ntest = 0.2', "test: is only for dataset = 'table' or 'images'"),
    ('"digits"', '"digits"\nimage_size = 32', "image_size: is only for dataset = 'images'"),
    ('"digits"', '"cifar10"\nchannels = 1', "channels: is only for dataset = 'images'"),
    ('"digits"', '"images"\ndata = "x"\nimage_size = 0', "image_size = 0: must be a whole number from 1 to 1024"),
    ('"digits"', '"images"\ndata = "x"\nimage_size = 2000', "image_size = 2000: must be a whole number from 1 to"),
    ('"digits"', '"images"\ndata = "x"\nimage_size = 32.5', "image_size = 32.5: must be a whole number from 1 to"),
    ('"digits"', '"images"\ndata = "x"\nimage_size = [32, 32]', "image_size = [..]: must be a whole number"),
    ('"digits"', '"images"\ndata = "x"\nimage_size = 8\nimage_fit = "cut"', "image_fit = 'cut': must be 'pad' or"),
    (
        '"digits"',
        '"images"\ndata = "x"\nimage_fit = "crop"',
        "image_fit = 'crop': says nothing without image_size",
    ),
    ('"digits"', '"images"\ndata = "x"\nchannels = 2', "channels = 2: must be 1 or 3"),
    ('"digits"', '"images"\ndata = "x"\ntest = 1.5', "test = 1.5: must be a share between 0 and 1"),
    ('"digits"', '"images"\ndata = "x"\ntest = 0', "test = 0.0: must be a share between 0 and 1"),
    ('"digits"', '"images"\ndata = "x"\ntest = "t.csv"', "test: must be a share between 0 and 1; test images of"),
    ('"digits"', '"images"\ndata = "x"\nlabel = "a"', "label: is only for dataset = 'table'"),
    ('"digits"', '"digits"\nseed = -1', "seed = -1: must be a whole number from 0"),
    (
        '"digits"',
        '"digits"\nsampler = "bayes"',
        "sampler = 'bayes': must be one of 'auto', 'tpe', 'gp', 'random', 'grid'",
    ),
    (
        '"digits"',
        '"digits"\npruner = false',
        "pruner = false: must be one of 'halving', 'leader', 'median', 'hyperband', 'none'",
    ),
    ('"digits"', '"digits"\nsamplr = "gp"', "samplr: unknown key (did you mean sampler?)"),
    ('"digits"', '"digits"\nxyz = 1', "xyz: unknown key (allowed: name, net, dataset, data,"),
    ('"digits"', '"digits"\n"a\\nb" = 1', r"'a\nb': unknown key"),
    ("[search]", "[serch]", "serch: unknown key (did you mean search?); search: is missing; it must be"),
    # [budget]
    ("trials = 3", "", "budget.trials: is missing; it must be a whole number of at least 1"),
    ("trials = 3", "trials = 0", "budget.trials = 0: must be a whole number of at least 1"),
    ("trials = 3", "trials = 3.0", "budget.trials = 3.0: must be a whole number"),
    ("trials = 3", "trials = true", "budget.trials = true: must be a whole number"),
    ("trials = 3", 'trials = "3"', "budget.trials = '3': must be a whole number"),
    ("epochs = 5", "epochs = 0", f"budget.epochs = 0: must be {describe_allowed('epochs')}"),
    ("epochs = 5", "epochs = 5\nseconds = 0", "budget.seconds = 0: must be a number of seconds above 0"),
    ("epochs = 5", "epochs = 5\nseconds = inf", "budget.seconds = inf: must be a number of seconds"),
    ("epochs = 5", "epochs = 5\nseconds = nan", "budget.seconds = nan: must be a number of seconds"),
    ("epochs = 5", f"epochs = 5\nseconds = 0x{'f' * 5000}", "budget.seconds = a huge number: must be"),
    ("epochs = 5", "epochs = 5\ntotal_epochs = 0", "budget.total_epochs = 0: must be a whole number"),
    ("epochs = 5", "epochs = 5\nhours = 2", "budget.hours: unknown key (allowed: trials, epochs,"),
    # [search]
    (HIDDEN, "", "search: must name at least one of hidden_size, learning_rate,"),
    (
        HIDDEN,
        "hidden_sise = { low = 8, high = 64 }",
        "search.hidden_sise: unknown field (did you mean hidden_size?)",
    ),
    (HIDDEN, "xyz = { low = 8, high = 64 }", "search.xyz: unknown field (allowed: hidden_size,"),
    (HIDDEN, "epochs = { low = 8, high = 64 }", "search.epochs: the epochs are set by budget.epochs"),
    (HIDDEN, "hidden_size = {}", "low: is missing; it must be a number; search.hidden_size.high: is missing"),
    (HIDDEN, "hidden_size = { low = 8 }", "search.hidden_size.high: is missing; it must be a number"),
    (
        HIDDEN,
        "hidden_size = { low = 8, hihg = 9 }",
        "search.hidden_size.hihg: unknown key (did you mean high?)",
    ),
    (HIDDEN, "hidden_size = { low = 0, high = 9 }", f"search.hidden_size.low = 0: must be {WHOLE}"),
    (HIDDEN, "hidden_size = { low = 1, high = 99999 }", f"search.hidden_size.high = 99999: must be {WHOLE}"),
    (HIDDEN, "hidden_size = { low = 8.0, high = 64 }", f"search.hidden_size.low = 8.0: must be {WHOLE}"),
    (HIDDEN, 'hidden_size = { low = "8", high = 64 }', "search.hidden_size.low = '8': must be a number"),
    (HIDDEN, "hidden_size = { low = true, high = 64 }", "search.hidden_size.low = true: must be a number"),
    (HIDDEN, "momentum = { low = nan, high = 0.9 }", "search.momentum.low = nan: must be a number from 0"),
    (
        HIDDEN,
        "hidden_size = { low = 9, high = 8 }",
        "search.hidden_size: is empty: low = 9 is above high = 8",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 8 }",
        "search.hidden_size: low and high are both 8; a single value",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 9, log = 1 }",
        "search.hidden_size.log = 1: must be true or false",
    ),
    (
        HIDDEN,
        "regularization = { low = 0, high = 1, log = true }",
        "search.regularization.low = 0.0: must be above 0, because log = true",
    ),
    (
        HIDDEN,
        "optimizer = { low = 0, high = 1 }",
        "search.optimizer: has no range; give choices, one of 'sgd', 'adam'",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 64, step = 10 }",
        "search.hidden_size.step = 10: does not lead from low = 8 to high = 64, but to 58 and 68",
    ),
    (
        HIDDEN,
        "dropout = { low = 0.1, high = 0.3, step = 0.25 }",
        "search.dropout.step = 0.25: does not lead from low = 0.1 to high = 0.3, but to 0.1 and 0.35",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 64, step = 0 }",
        "hidden_size.step = 0: must be a whole number of at",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 64, step = 1.0 }",
        "hidden_size.step = 1.0: must be a whole number of",
    ),
    (
        HIDDEN,
        "dropout = { low = 0, high = 0.5, step = 0 }",
        "dropout.step = 0.0: must be from a millionth of high",
    ),
    (HIDDEN, "dropout = { low = 0, high = 0.5, step = nan }", "dropout.step = nan: must be from a millionth"),
    (
        HIDDEN,
        "dropout = { low = 0, high = 0.5, step = true }",
        "search.dropout.step = true: must be a number",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 64, step = 8, log = true }",
        "search.hidden_size.step = 8: cannot go with log = true",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, high = 64, step = 8 }\n[[start]]\nhidden_size = 12",
        "start[1].hidden_size = 12: must be from 8 to 64 in steps of 8, as search.hidden_size says",
    ),
    (
        HIDDEN,
        "hidden_size = { low = 8, choices = [8] }",
        "search.hidden_size.low: unknown key (allowed: choices)",
    ),
    (HIDDEN, "hidden_size = { choices = 8 }", "search.hidden_size.choices = 8: must be a list of values"),
    (HIDDEN, "hidden_size = { choices = [] }", "search.hidden_size.choices: must list at least two values"),
    (HIDDEN, "hidden_size = { choices = [8] }", "search.hidden_size.choices: must list at least two values"),
    (HIDDEN, "hidden_size = { choices = [8, 9, 8] }", "search.hidden_size.choices[3] = 8: is listed twice"),
    (HIDDEN, "momentum = { choices = [0, 0.0] }", "search.momentum.choices[2] = 0.0: is listed twice"),
    (
        HIDDEN,
        'hidden_size = { choices = [8, "he"] }',
        f"search.hidden_size.choices[2] = 'he': must be {WHOLE}",
    ),
    (HIDDEN, "hidden_size = { choices = [8, 9.0] }", f"search.hidden_size.choices[2] = 9.0: must be {WHOLE}"),
    (
        HIDDEN,
        "hidden_size = { choices = [8, true] }",
        f"search.hidden_size.choices[2] = true: must be {WHOLE}",
    ),
    (
        HIDDEN,
        "hidden_size = { choices = [8, [9]] }",
        "search.hidden_size.choices[2] = [..]: must be one number, one string",
    ),
    (
        HIDDEN,
        'optimizer = { choices = ["sgd", "Adam"] }',
        "search.optimizer.choices[2] = 'Adam': must be one of 'sgd'",
    ),
    (HIDDEN, "flip = { low = 0, high = 1 }", "search.flip: has no range; give choices, true or false"),
    (HIDDEN, "flip = { choices = [false, 1] }", "search.flip.choices[2] = 1: must be true or false"),
    (HIDDEN, "flip = { choices = [true, true] }", "search.flip.choices[2] = true: is listed twice"),
    # [fixed]
    (HIDDEN, HIDDEN + "\n[fixed]\nflip = 1", "fixed.flip = 1: must be true or false"),
    (HIDDEN, HIDDEN + "\n[fixed]\nhidden_size = 8", "fixed.hidden_size: is also under [search]"),
    (HIDDEN, HIDDEN + "\n[fixed]\ndepht = 3", "fixed.depht: unknown field (did you mean depth?)"),
    (
        HIDDEN,
        HIDDEN + "\n[fixed]\nseed = 3",
        "fixed.seed: each trial's seed is derived from the seed of the study",
    ),
    (HIDDEN, HIDDEN + "\n[fixed]\ndepth = 1", f"fixed.depth = 1: must be {describe_allowed('depth')}"),
    (HIDDEN, HIDDEN + "\n[fixed]\nmomentum = inf", "fixed.momentum = inf: must be a number from 0 to 0.9999"),
    (
        HIDDEN,
        HIDDEN + '\n[fixed]\noptimizer = "Adam"',
        "fixed.optimizer = 'Adam': must be one of 'sgd', 'adam'",
    ),
    (
        HIDDEN,
        HIDDEN + "\n[fixed]\ndepth = { low = 2 }",
        "fixed.depth = {..}: must be one number, one string, true or false",
    ),
    (
        HIDDEN,
        HIDDEN + "\n[fixed]\ndepth = 1979-05-27",
        "fixed.depth = datetime.date(1979, 5, 27): must be one number",
    ),
    # [[start]]
    (
        HIDDEN,
        HIDDEN + "\n[start]\nhidden_size = 8",
        "start = {..}: must be 'learnt', or a list of tables: [[start]]",
    ),
    (
        'net = "numpy"',
        'net = "numpy"\nstart = "learned"',
        "start = 'learned': must be 'learnt', or a list of tables",
    ),
    # [transfer]
    (HIDDEN, HIDDEN + "\n[transfer]", "transfer.studies: is missing; it must be a list of names of studies"),
    (HIDDEN, HIDDEN + "\n[transfer]\nstudies = []", "transfer.studies = [..]: must be a list of names of studies"),
    (HIDDEN, HIDDEN + "\n[transfer]\nstudies = 'a'", "transfer.studies = 'a': must be a list of names of studies"),
    (HIDDEN, HIDDEN + "\n[transfer]\nstudies = ['mine']", "transfer.studies = 'mine': names the study itself"),
    (HIDDEN, HIDDEN + "\n[[start]]", "start[1]: must give at least one of hidden_size"),
    (
        HIDDEN,
        HIDDEN + "\n[[start]]\nhidden_size = 7",
        "start[1].hidden_size = 7: must be from 8 to 64, as search.",
    ),
    (
        HIDDEN,
        HIDDEN + "\n[[start]]\nhidden_size = 65",
        "start[1].hidden_size = 65: must be from 8 to 64, as search.",
    ),
    (HIDDEN, HIDDEN + "\n[[start]]\nhidden_size = 8.0", "start[1].hidden_size = 8.0: must be from 8 to 64"),
    (
        HIDDEN,
        HIDDEN + "\n[[start]]\nhidden_size = [8]",
        "start[1].hidden_size = [..]: must be one number, one string",
    ),
    (
        HIDDEN,
        HIDDEN + "\n[[start]]\nhidden_size = 8\n[[start]]\ndepth = 3",
        "start[2].depth: is not under [search] (allowed: hidden_size)",
    ),
    (
        HIDDEN,
        HIDDEN + "\n[[start]]\nhiden_size = 8",
        "start[1].hiden_size: is not under [search] (did you mean hidden_",
    ),
    (
        HIDDEN,
        'optimizer = { choices = ["sgd", "adam"] }\n[[start]]\noptimizer = "x"',
        "start[1].optimizer = 'x': must be one of 'sgd', 'adam', as search.optimizer says",
    ),
    # what NumPy has not
    (HIDDEN, f'{HIDDEN}\n[fixed]\nprecision = "bfloat16"', "precision = 'bfloat16': needs net = 'torch'"),
    (
        HIDDEN,
        HIDDEN + '\nprecision = { choices = ["float32", "bfloat16"] }',
        "precision = 'bfloat16': needs net = 'torch'",
    ),
    # no TOML
    (HIDDEN, "hidden_size", "is not valid TOML: Expected '=' after a key in a key/value pair (at line 9"),
    (HIDDEN, f"{HIDDEN}\n{HIDDEN}", "is not valid TOML: Cannot overwrite a value"),
    (HIDDEN, f"hidden_size = {'9' * 5000}", "holds a number with too many digits"),
    (HIDDEN, f"hidden_size = {'[' * 20_000}", "is nested too deeply"),
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
