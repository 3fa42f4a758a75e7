"""The units of docs/service.md: systemd takes them, and what they start is there."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from mlpsearch.search.cli import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "service.md"
PROGRAM = "/opt/mlpsearch/bin/mlpsearch"


def units() -> dict[str, str]:
    """The text of each unit, by its name."""
    blocks = re.findall(r"^```ini\n# /etc/systemd/system/(\S+)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    return dict(blocks)


def commands() -> list[list[str]]:
    """What the services start, without the program."""
    lines = re.findall(r"^ExecStart=(.*)$", "".join(units().values()), re.MULTILINE)
    started = [shlex.split(line) for line in lines]
    assert {program for program, *_ in started} == {PROGRAM}
    return [arguments for _, *arguments in started]


def test_there_are_a_service_and_a_timer() -> None:
    assert [*units()] == ["mlpsearch.service", "mlpsearch-gc.service", "mlpsearch-gc.timer"]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_what_they_start_is_a_command_with_these_options(arguments: list[str]) -> None:
    name, *options = arguments
    assert cli.commands[name].make_context(name, options).params


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_them(tmp_path: Path) -> None:
    program = shutil.which("true")
    assert program is not None
    for name, text in units().items():
        (tmp_path / name).write_text(text.replace(PROGRAM, program))
    files = [str(tmp_path / name) for name in units()]
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
