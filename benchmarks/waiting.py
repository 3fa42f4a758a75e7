"""Seconds that people wait for a command to end, on a study of the digits that was searched, confirmed and tested.

    python -m benchmarks.waiting [--json] [--repeats 5]

Each command is run once before it is timed, as its modules are compiled then. Medians by the wall clock.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.commands import timed

PROGRAM = (sys.executable, "-P", "-m", "mlpsearch")
STUDY = "digits-numpy"
COMMANDS = {
    "list": ("list",),
    "status": ("status",),
    "status STUDY": ("status", STUDY),
    "report STUDY": ("report", STUDY),
    "export STUDY": ("export", STUDY, "-o", "best"),
    "--help": ("--help",),
}


def main() -> None:
    """Print the table, or the document."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed([*PROGRAM, "run", STUDY], folder)
        found = {title: waited(command, folder, given.repeats) for title, command in COMMANDS.items()}
    if given.json:
        print(json.dumps(found))
        return
    for title, seconds in found.items():
        print(f"{title:14}{seconds:6.2f} s")


def waited(command: tuple[str, ...], folder: Path, repeats: int) -> float:
    """Return the median of the seconds that a command takes."""
    timed([*PROGRAM, *command], folder)
    return statistics.median(timed([*PROGRAM, *command], folder).wall for _ in range(repeats))


if __name__ == "__main__":
    main()
