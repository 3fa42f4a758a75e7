"""Every command has help, and the README names it."""

import re
from pathlib import Path

import click
import pytest

from mlpsearch.search.cli import cli
from mlpsearch.search.cli.common import PathType
from tests.search.conftest import Command

README = Path(__file__).parents[3] / "README.md"
COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(mlpsearch: Command, name: str) -> None:
    command = cli.commands[name]
    assert command.help
    answer = mlpsearch(name, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert command.help.split()[0] in answer.out
    assert f"mlpsearch {name} " in answer.out.splitlines()[0]
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, f"{name} {option.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"mlpsearch {name}" in README.read_text("utf-8")


def test_a_tilde_behind_an_option_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    given = [PathType().convert(path, None, None) for path in ("~/best", "best")]
    assert given == [Path("/home/ann/best"), Path("best")]


def test_commands_are_in_groups_each_with_the_whole_of_its_summary(
    mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = mlpsearch("--help").out
    assert max(map(len, text.splitlines())) <= 60
    assert re.findall(r"^(\w+):$", text, re.MULTILINE) == ["Options", "Studies", "Results", "Service"]
    flat = " ".join(text.split())
    for name, command in cli.commands.items():
        assert command.help is not None
        summary = " ".join(command.help.split("\n\n")[0].split()).split(". ")[0].rstrip(".")
        assert f"{name} {summary}" in flat
        assert "..." not in summary
