"""The progress of a search where no terminal shows a bar."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlpsearch.search.cli.display import SearchProgress
from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.ledger import Ledger
from tests.studies.stores import new_study, spec


def test_the_last_line_is_of_the_end_however_fast_it_comes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = new_study(tmp_path, spec(trials=3))
    status = study_status(record, Ledger(record))
    with SearchProgress(Console(stderr=True, force_terminal=False)).shown() as progress:
        for finished in range(4):
            progress.update(replace(status, trials=status.trials | {"finished": finished}))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("mine: 0/3 trials")
    assert lines[-1].startswith("mine: 3/3 trials")
    assert len(lines) == 2
