"""A newcomer at a terminal of 80 × 24, from an empty folder to a notice and a net: what the screen says."""

import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS
from tests.search.notices.servers import Hook, web_server

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux, a terminal for programs")

PROMPT = "ready>"
COLUMNS, LINES = 80, 24


class Terminal:
    """A shell in a terminal."""

    def __init__(self, folder: Path):
        self._socket = f"mlpsearch-{secrets.token_hex(4)}"
        shell = f"env PS1='{PROMPT}' bash --norc --noprofile"
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), shell)
        self.seen: list[str] = []

    def screen(self) -> str:
        """What it shows now."""
        return self._tmux("capture-pane", "-p").rstrip()

    def run(self, command: str) -> str:
        """Type a command on an empty screen, and return what that shows once it has ended.

        seen: all that the screen showed meanwhile.
        """
        self._wait(lambda screen: screen.endswith(PROMPT))
        self._tmux("send-keys", f"clear; {command}", "Enter")
        self._wait(lambda screen: not screen.endswith(PROMPT))
        self.seen = []
        return self._wait(lambda screen: screen.endswith(PROMPT)).removesuffix(PROMPT).rstrip()

    def end(self) -> None:
        """Close it, with what runs in it."""
        self._tmux("kill-server")

    def _wait(self, is_there: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_there(screen := self.screen()):
            if not self.seen or self.seen[-1] != screen:
                self.seen.append(screen)
            assert time.monotonic() < deadline, screen
            time.sleep(0.05)
        return screen

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._socket, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    folder = tmp_path / "empty"
    folder.mkdir()
    terminal = Terminal(folder)
    yield terminal
    terminal.end()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as server:
        yield server


def test_from_an_empty_folder_to_a_notice_and_a_net(terminal: Terminal, hook: Hook, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    rows = "".join(
        f"{number % 40},{number * 7 % 11},{'yes' if number % 40 > 18 else 'no'}\n" for number in range(240)
    )
    (folder / "shop.csv").write_text(f"age,visits,bought\n{rows}")

    said = " ".join(terminal.run("mlpsearch new shop.csv --label bought").split())
    assert "wrote shop.toml; `mlpsearch check shop.toml` says what was understood" in said
    assert said.endswith("`mlpsearch run shop.toml` searches"), "no word is broken at the edge"
    assert "shop: 240 rows, " in terminal.run("mlpsearch check shop.toml")

    study = (folder / "shop.toml").read_text()
    # So many seeds that the screen is looked at meanwhile.
    study = study.replace("[search]", "top = 2\nseeds = 40\nreport = 2\n\n[search]")
    (folder / "shop.toml").write_text(re.sub(r"^epochs = \d+", "epochs = 3", study, flags=re.MULTILINE))
    end = terminal.run(f"mlpsearch run shop.toml --trials 3 --notify http://127.0.0.1:{hook.port}/")
    shown = "\n".join(terminal.seen)
    assert "searching shop\n" in shown
    assert "loading: workers start and read the data" in shown
    assert re.search(r"/3 trials$", shown, re.MULTILINE)
    assert re.search(r"^confirming shop$", shown, re.MULTILINE)
    assert re.search(r"^  winner     trial \d, confirmed over 2 seeds$", end, re.MULTILINE)
    assert re.search(r"^  test       one net .* \(95% interval ", end, re.MULTILINE)
    assert re.search(r"^  with       \w", end, re.MULTILINE)
    assert "shop: complete (NumPy net, table)\n" in end
    (notice,) = hook.documents
    (test,) = re.findall(r"^  test       one net (\d+\.\d\d% ± \d+\.\d\d)", end, re.MULTILINE)
    assert (notice["event"], notice["title"]) == ("confirmed", f"shop is confirmed: test accuracy {test}")
    assert notice["text"].endswith("\n`mlpsearch status shop` says more")

    block = terminal.run("mlpsearch status")
    assert block.splitlines()[0] == "shop: complete (NumPy net, table)"
    assert "3/3\n" in block
    assert block.count("\n") < LINES - 1

    assert "wrote best; " in terminal.run("mlpsearch export shop -o best")
    assert "wrote answers.csv: 240 rows" in terminal.run("mlpsearch predict best shop.csv -o answers.csv")
    answers = (folder / "answers.csv").read_text().splitlines()
    assert answers[0].startswith("row,class,")
    assert len(answers) == 241


def test_a_mistake_is_one_line_with_the_remedy(terminal: Terminal) -> None:
    said = terminal.run("mlpsearch status shop")
    assert " ".join(said.split()).endswith("no such storage; `mlpsearch run STUDY` makes one")
    assert said.startswith("error: ")


def test_a_line_told_meanwhile_stands_alone(terminal: Terminal, tmp_path: Path) -> None:
    script = tmp_path / "empty" / "told.py"
    script.write_text(
        "import time\nfrom mlpsearch.search.cli.common import step, tell\n"
        "with step('loading'):\n    time.sleep(1)\n    tell('one line')\n"
    )
    assert terminal.run("python told.py") == "one line"
