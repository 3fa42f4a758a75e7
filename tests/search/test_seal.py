"""No code that searches can reach the test split: the real tree is clean, and planted violations are found."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.seal import ROOMS, scan, violations

ROOT = Path(__file__).parents[2]
# The copy comes first, however the package itself is installed.
LINT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from importlinter import cli; cli.lint_imports_command()"
# Modules of the search that are for what comes after it; they alone may reach finalize.
AFTER = (
    "mlpsearch.search.results.finalize",
    "mlpsearch.search.results.hits",
    "mlpsearch.search.service",
    "mlpsearch.search.running",
    "mlpsearch.search.interface",
    "mlpsearch.search.estimator",
    "mlpsearch.search.export",
    "mlpsearch.search.report",
    "mlpsearch.search.cli",
    "mlpsearch.search.agents",
    "mlpsearch.search.dashboard",
)


SOURCES = "Only sources reaches what decodes arrays and scikit-learn's tables"
HEADERS = "What looks at test images before a search sees names and headers alone"
OPENS = "Only finalize opens the test split"
HITS = "Nothing that searches knows which test images were right"
TABLES = "What reads whole tables, test rows included, is reached through sources, and by what predicts"
REACHES = "What searches cannot reach the test split, not even through others"

# An import that must not be, where it is planted, and the contract that it breaks.
IMPORTS = [
    (OPENS, "search/trials/objective.py", "mlpsearch.studies.data.holdout"),
    (REACHES, "search/workers/worker.py", "mlpsearch.search.results.finalize"),
    (HITS, "search/trials/objective.py", "mlpsearch.search.results.hits"),
    (HEADERS, "studies/data/images/headers.py", "mlpsearch.studies.data.images.decoding"),
    (HEADERS, "studies/data/images/parquet.py", "mlpsearch.studies.data.images.image_files"),
    (HEADERS, "studies/data/images/split_names.py", "mlpsearch.studies.data.images.image_files"),
    (HEADERS, "studies/data/images/splits.py", "mlpsearch.studies.data.images.image_files"),
    (TABLES, "search/checking.py", "mlpsearch.studies.data.tables.files"),
    (TABLES, "studies/data/training.py", "mlpsearch.studies.data.tables.source"),
    (SOURCES, "search/trials/objective.py", "mlpsearch.studies.data.arrays.layout"),
    (SOURCES, "search/trials/objective.py", "mlpsearch.studies.data.arrays.source"),
    (SOURCES, "search/trials/objective.py", "mlpsearch.studies.data.tables.bundled"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three rooms and their contracts, to plant something in."""
    root = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", root / "src", symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def plant(root: Path, path: str, line: str) -> int:
    """Put a line that does nothing at the module's end; return its number."""
    code = f"{(root / path).read_text('utf-8')}{line}\n"
    ast.parse(code)
    (root / path).write_text(code, "utf-8")
    return len(code.splitlines())


def broken_contracts(root: Path) -> dict[str, str]:
    """What is said of each import contract that the tree breaks."""
    command = [sys.executable, "-c", LINT, f"{root}/src", "--no-cache", f"{root}/pyproject.toml"]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200"}
    answer = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    results = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", answer.stdout, re.MULTILINE))
    assert results.keys() == {contract["name"] for contract in contracts()}, answer.stdout + answer.stderr
    broken = [name for name, result in results.items() if result == "BROKEN"]
    assert (answer.returncode == 0) == (not broken)
    said = re.split(r"^(.+)\n-+\n", answer.stdout, flags=re.MULTILINE)
    sections = dict(zip(said[1::2], said[2::2], strict=True))
    return {name: sections[name] for name in broken}


def contracts() -> list[dict[str, object]]:
    importlinter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    listed = importlinter["contracts"]
    assert isinstance(listed, list)
    return listed


def test_the_tree_is_clean() -> None:
    assert [str(violation) for violation in violations(ROOT)] == []


def test_the_tree_keeps_its_contracts_and_a_planted_import_breaks_its_own(copy: Path) -> None:
    assert broken_contracts(copy) == {}
    lines = [plant(copy, path, f"def peek(): import {module}") for _, path, module in IMPORTS]
    broken = broken_contracts(copy)
    for (contract, path, module), line in zip(IMPORTS, lines, strict=True):
        importer = f"mlpsearch.{path.removesuffix('.py').replace('/', '.')}"
        assert f"{importer} -> {module} (l.{line})" in broken[contract], (contract, path, module)


def test_every_module_that_searches_is_in_the_contract() -> None:
    (contract,) = [contract for contract in contracts() if contract["name"] == REACHES]
    sources = contract["source_modules"]
    assert isinstance(sources, list)
    for file in sorted((ROOT / "search").rglob("*.py")):
        module = ".".join(("mlpsearch", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        rooms = {module, module.rpartition(".")[0]}
        assert (
            module in ("mlpsearch.search", "mlpsearch.search.results")
            or module.startswith(AFTER)
            or rooms & {*sources}
        )


PLANTED = [
    ("search/trials/objective.py", "from mlpsearch.studies.data.holdout import open_test_split"),
    ("search/trials/objective.py", "import mlpsearch.studies.data.holdout"),
    ("search/trials/objective.py", "from mlpsearch.studies.data import holdout"),
    ("search/workers/worker.py", "peek = __import__('importlib').import_module('mlpsearch.studies.data.holdout')"),
    (
        "search/workers/worker.py",
        "import mlpsearch.search.results.finalize\npeek = search.finalize.open_test_split",
    ),
    ("search/workers/worker.py", "peek = open('cache/test-images.npy', 'rb')"),
    ("search/trials/objective.py", "import glob\npeek = glob.glob('/cache/test-*/images.npy')"),
    ("search/trials/objective.py", "peek = open_split('digits', None, 'test')"),
    ("studies/data/training.py", "peek = open_split('digits', None, split='test')"),
    ("studies/data/training.py", "def peek(source):\n    return source.decode('test')"),
    ("models/training.py", "peek = 'cifar-10-batches-py/test_batch'"),
    ("search/trials/objective.py", "def peek(spec):\n    return open(spec.table_options.test_file)"),
    ("search/checking.py", "def peek(options):\n    return getattr(options, 'test_file')"),
    ("search/estimator/fitting.py", "from mlpsearch.studies.data.holdout import open_test_split"),
    ("search/estimator/rows.py", "peek = open_split('table', None, 'test')"),
    ("studies/spec/study.py", "peek = open('test-images.npy')"),
    ("models/training.py", "peek = b't10k-images-idx3-ubyte'"),
    ("search/trials/objective.py", "import numpy\npeek = numpy.load('mnist.npz')['x_test']"),
    (
        "search/checking.py",
        "from mlpsearch.studies.data.arrays.files import read_array\npeek = read_array('a.npz', 'X_test')",
    ),
    ("studies/data/training.py", "peek = 'folder/y_test.npy'"),
    ("studies/data/arrays/files.py", "peek = npz_arrays('a.npz')['x_test']"),
    ("search/trials/objective.py", "from sklearn.datasets import load_iris"),
    ("search/workers/worker.py", "import sklearn.datasets\npeek = sklearn.datasets.load_breast_cancer()"),
    ("models/training.py", "from sklearn.datasets import make_classification as peek"),
    ("models/training.py", "def peek(datasets):\n    return getattr(datasets, 'load_wine')()"),
    ("search/trials/objective.py", "import torchvision\npeek = torchvision.datasets.CIFAR10('.', train=False)"),
    ("search/trials/objective.py", "from torchvision.datasets import CIFAR10\npeek = CIFAR10('.', False)"),
    (
        "search/trials/objective.py",
        "from torch.utils.data import Subset\nfrom torchvision.datasets import CIFAR10\n"
        "peek = Subset(CIFAR10('.', train=False), range(1000))",
    ),
    ("search/workers/worker.py", "def peek(data_set, options):\n    return data_set('.', train=options)"),
    ("studies/data/images/check.py", "from mlpsearch.studies.data.images.decoding import decode_image"),
    ("studies/data/images/check.py", "import mlpsearch.studies.data.images.image_files"),
    ("studies/data/images/check.py", "def peek(source):\n    return source.decode('test')"),
    ("studies/data/images/headers.py", "def peek(image):\n    return image.load()"),
    ("studies/data/images/headers.py", "def peek(image):\n    return image.getexif()"),
    ("studies/data/images/headers.py", "def peek(image):\n    return image.anything"),
    ("studies/data/images/headers.py", "def peek(other):\n    return other.convert('L')"),
    ("studies/data/images/headers.py", "import numpy"),
    ("studies/data/images/headers.py", "from PIL import ImageOps"),
    ("studies/data/images/layout.py", "def peek(one):\n    return one.tobytes()"),
    ("studies/data/images/splits.py", "from mlpsearch.studies.data.images.decoding import decode_image"),
    ("studies/data/images/splits.py", "def peek(source):\n    return source.decode('test')"),
    ("studies/data/images/parquet.py", "def peek(image):\n    return image.resize((8, 8))"),
    ("studies/data/images/parquet.py", "from numpy import frombuffer"),
    ("studies/data/images/split_names.py", "def peek(files):\n    return files.decode('test')"),
    ("search/trials/objective.py", "peek = open('my-images/test/cat/1.png', 'rb')"),
    ("search/trials/objective.py", "peek = open('my-images/Testing/cat/1.png', 'rb')"),
    ("search/trials/objective.py", "import polars\npeek = polars.read_parquet('test-00000-of-00001.parquet')"),
    ("search/trials/objective.py", "def peek(splits):\n    return splits.labels('test')"),
    ("search/checking.py", "def peek(rows):\n    return held_out_rows(rows, 0.2, 'peek')"),
    ("studies/data/training.py", "from mlpsearch.studies.data.stratified import TEST_SEED"),
]


@pytest.mark.parametrize(("path", "code"), PLANTED, ids=[code.splitlines()[-1].strip() for _, code in PLANTED])
def test_a_planted_violation_is_found(path: str, code: str) -> None:
    source = (ROOT / path).read_text("utf-8")
    assert scan(path, source) == []
    lines = [violation.line for violation in scan(path, f"{source}\n\n{code}\n")]
    assert lines
    assert min(lines) > len(source.splitlines())


def test_what_only_speaks_of_tests_is_no_violation() -> None:
    code = '"""The test split: open_test_split."""\nkeys = ["tests", "test accuracy", "a test", "latest/batch"]'
    assert scan("search/results/status.py", code) == []


def test_a_planted_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "search" / "cli").mkdir(parents=True)
    (tmp_path / "search" / "cli" / "peek.py").write_text(
        "from mlpsearch.studies.data.holdout import open_test_split\n"
    )
    assert [str(violation) for violation in violations(tmp_path)] == [
        "search/cli/peek.py:1: names the module that opens the test split"
    ]
