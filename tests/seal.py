"""Looks for ways around the seal of the test split, in the source code of the three rooms.

The import contracts in pyproject.toml say who may import what; this finds what no import shows: the module that
opens the test split named in a text, its files named, or torchvision's data sets asked for their test images.
Before a search test images are looked at as well, but for their names and headers alone: in the modules that do
so, this finds what could decode a pixel.
"""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("models", "studies", "search")

_OPENER = "studies/data/holdout.py"
_OPENER_NAMED = re.compile(r"\bholdout\b|\bopen_test_split\b")
_FINALIZE = "search/results/finalize.py"
# They hand a split's name on from holdout or datasets, or hold the names of its files.
_DECODERS = frozenset(
    {
        "studies/data/decoded.py",
        "studies/data/image_cache.py",
        "studies/data/sources.py",
        "studies/data/arrays/layout.py",
        "studies/data/arrays/source.py",
        "studies/data/images/archives.py",
        "studies/data/images/check.py",
        "studies/data/images/decoding.py",
        "studies/data/images/headers.py",
        "studies/data/images/image_files.py",
        "studies/data/images/layout.py",
        "studies/data/images/parquet.py",
        "studies/data/images/split_names.py",
        "studies/data/images/splits.py",
        "studies/data/images/torchvision_datasets.py",
        "studies/data/images/trees.py",
    }
)
# What the test split is called where it lies: in folders of images, Parquet files, CIFAR-10's and MNIST's files,
# arrays, the cache.
_FILES = re.compile(
    r"^test$|\btest[-_/](images|batch|labels|split|[0-9a-f*])|t10k|/test(ing)?\b|\btest.*\.parquet|\b[xy]_test\b",
    re.IGNORECASE,
)
# Which rows and images are held out as the test split: for the sources that hold them out.
_HELD_OUT = re.compile(r"^(held_out_rows|TEST_SEED)$")
_HOLDERS = frozenset(
    {
        "studies/data/arrays/source.py",
        "studies/data/images/splits.py",
        "studies/data/stratified.py",
        "studies/data/tables/source.py",
    }
)
# "test" is a key of the study file, for a table: they read and write it, and open nothing.
_KEYS = frozenset(
    {
        "search/study_texts.py",
        "studies/creation.py",
        "studies/spec/consistency.py",
        "studies/spec/reading.py",
        "studies/spec/study.py",
    }
)
# The word before a winner's score on it, in a terminal.
_LABELS = frozenset({"search/cli/display.py"})
# Where the rows of a table's test split are, in a file of their own: for who reads the table alone.
_TEST_ROWS = re.compile(r"^test_file$")
_READERS = _KEYS | {"studies/data/tables/source.py", "studies/spec/table_options.py"}
# They see test images before a search: of an opened image they may ask these, and never what decodes one.
_PIXEL_FREE = frozenset(
    {
        "studies/data/images/check.py",
        "studies/data/images/headers.py",
        "studies/data/images/layout.py",
        "studies/data/images/parquet.py",
        "studies/data/images/split_names.py",
        "studies/data/images/splits.py",
    }
)
_OF_AN_IMAGE = frozenset({"format", "has_transparency_data", "mode", "size"})
_DECODING_NAMES = re.compile(
    r"^(numpy|np|asarray|array|frombuffer|ImageOps|decode|decode_image|image_decoding|image_files|image_cache|"
    r"open_cached|open_split|open_beside)$"
)
_DECODING_METHODS = re.compile(
    r"^(im|load|verify|copy|convert|quantize|transpose|rotate|resize|crop|thumbnail|reduce|point|filter|draft|split|"
    r"getchannel|getdata|get_flattened_data|getpixel|getbbox|getextrema|getcolors|getprojection|histogram|entropy|"
    r"tobytes|tobitmap|show|save|_getexif|__array_interface__)$"
)
_TORCHVISION = frozenset({"CIFAR10", "CIFAR100", "FashionMNIST", "MNIST", "ImageFolder"})
# scikit-learn's data sets come with all their rows, those for the test too.
_LOADERS = re.compile(r"^(load|fetch)_(digits|iris|wine|breast_cancer|openml)|^make_classification")
_BUNDLED = "studies/data/tables/bundled.py"


@dataclass(frozen=True, slots=True)
class Violation:
    """A place in the source code from which the test split can be reached."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def violations(root: Path) -> list[Violation]:
    """Return all of the rooms under this folder."""
    files = sorted(file for room in ROOMS for file in (root / room).rglob("*.py"))
    return [one for file in files for one in scan(file.relative_to(root).as_posix(), file.read_text("utf-8"))]


def scan(path: str, source: str) -> list[Violation]:
    """Return those of one module. path: below the folder of the rooms."""
    nodes = [*ast.walk(ast.parse(source, path))]
    return [Violation(path, line, what) for rule in _rules(path) for line, what in rule(nodes)]


Nodes = Sequence[ast.AST]  # all of a module
Rule = Callable[[Nodes], Iterator[tuple[int, str]]]


def _rules(path: str) -> list[Rule]:
    if path == _OPENER:
        return []
    rules: list[Rule] = [] if path in _DECODERS else [_torchvision_splits]
    if path not in _DECODERS and path != _BUNDLED:
        rules.append(_bundled_rows)
    if path not in _DECODERS:
        rules.append(_names_of_files_beside_keys if path in _KEYS | _LABELS else _names_of_files)
    if path not in _READERS:
        rules.append(_rows_of_the_test)
    if path not in _HOLDERS:
        rules.append(_held_out)
    if path in _PIXEL_FREE:
        rules.append(_decoding)
    return rules if path == _FINALIZE else [*rules, _opener_named]


def _opener_named(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """The module studies.holdout or its function, imported or written out for importlib."""
    documentation = set(_documentation(nodes))
    for node in nodes:
        named = any(_OPENER_NAMED.search(name) for name in _names(node))
        if named and isinstance(node, ast.stmt | ast.expr) and node not in documentation:
            yield node.lineno, "names the module that opens the test split"


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=aliases):
            return [alias.name for alias in aliases]
        case ast.ImportFrom(module=module, names=aliases):
            return [f"{module}.{alias.name}" for alias in aliases]
        case ast.Constant(value=str(name)) | ast.Attribute(attr=name):
            return [name]
    return []


def _names_of_files(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """The test split named as the decoders do, or one of its files."""
    documentation = set(_documentation(nodes))
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and node not in documentation:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if _FILES.search(text):
                yield node.lineno, f"names the test split or its files: {text[:40]!r}"


def _names_of_files_beside_keys(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """One of the files; the name of the split alone is a key of the study file."""
    yield from ((line, what) for line, what in _names_of_files(nodes) if not what.endswith(": 'test'"))


def _rows_of_the_test(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """The path of a table's test rows."""
    for node in nodes:
        if any(_TEST_ROWS.search(name.rpartition(".")[2]) for name in _names(node)):
            yield getattr(node, "lineno", 0), "names the file of a table's test rows"


def _held_out(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """What chooses the rows that are held out."""
    for node in nodes:
        names = [node.id] if isinstance(node, ast.Name) else _names(node)
        if any(_HELD_OUT.search(name.rpartition(".")[2]) for name in names):
            yield getattr(node, "lineno", 0), "names what chooses the test rows"


def _torchvision_splits(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """A data set of torchvision's made outside of the decoders, with either split."""
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _TORCHVISION or any(keyword.arg == "train" for keyword in node.keywords):
                yield node.lineno, f"opens a data set by itself: {name}(…)"


def _bundled_rows(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """One of scikit-learn's loaders, imported, called or named."""
    for node in nodes:
        found = [*_names(node), node.id if isinstance(node, ast.Name) else ""]
        if any(_LOADERS.search(name.rpartition(".")[2]) for name in found):
            yield getattr(node, "lineno", 0), "loads a data set of scikit-learn by itself"


def _decoding(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """What decodes pixels, asked of an opened image or of anything else."""
    for node in nodes:
        if _could_decode(node):
            yield getattr(node, "lineno", 0), "could decode a pixel"


def _could_decode(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in aliases)]
            return any(_DECODING_NAMES.search(part) for name in names for part in name.split("."))
        case ast.Name(id=name):
            return bool(_DECODING_NAMES.search(name))
        case ast.Attribute(value=ast.Name(id="image"), attr=attr):
            return attr not in _OF_AN_IMAGE
        case ast.Attribute(attr=attr):
            return bool(_DECODING_NAMES.search(attr) or _DECODING_METHODS.search(attr))
    return False


def _documentation(nodes: Nodes) -> Iterator[ast.Constant]:
    """The texts that are only for readers."""
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
