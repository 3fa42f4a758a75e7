"""The wheel, and an environment where nothing of ours but the wheel is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy what a build reads to the folder, and return it."""
    for name in ("models", "search", "studies", "src"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def build(what: str, tree: Path, folder: Path) -> None:
    """Build the "wheel" or the "sdist" of the tree, in the folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", what, "-d", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Environment:
    """An environment of Python's with the wheel, and a folder where its commands run.

    Its other packages are those of this environment, by a .pth file, so that torch is not installed twice. What
    this environment has as an editable installation is not among them: Python reads the .pth files of no folder
    that a .pth file names.
    """

    python: Path
    folder: Path

    @property
    def packages(self) -> Path:
        """Where its packages are installed."""
        (own,) = self.python.parents[1].glob("lib/python*/site-packages")
        return own

    def start(self, *arguments: str | Path, **variables: str) -> "subprocess.Popen[str]":
        """Start Python there."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.Popen(
            [self.python, *arguments],
            cwd=self.folder,
            env=plain | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str | Path, **variables: str) -> str:
        """Run Python there and return what it printed."""
        started = self.start(*arguments, **variables)
        out, err = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 0, err
        return out


def install(wheel: Path, folder: Path) -> Environment:
    """Make an environment in the folder, with the wheel installed."""
    venv.create(folder / "env", symlinks=True)
    environment = Environment(folder / "env" / "bin" / "python", folder)
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment.python, "install", *options, wheel],
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    (environment.packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    ours = environment("-c", "import mlpsearch; print(mlpsearch.__file__)")
    assert Path(ours).is_relative_to(environment.packages)
    return environment
