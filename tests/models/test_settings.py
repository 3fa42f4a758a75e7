"""What stands in the place of the environment's variables does so in its thread, for a while."""

import threading

import pytest

from mlpsearch.models.settings import setting, settings_instead


def test_the_environment_counts_where_nothing_stands_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "given")
    monkeypatch.delenv("B", raising=False)
    seen: list[str] = []
    with settings_instead({"A": ""}):
        assert (setting("A"), setting("B")) == ("", "")
        other = threading.Thread(target=lambda: seen.append(setting("A")))
        other.start()
        other.join()
        with settings_instead({"B": "2"}):
            assert (setting("A"), setting("B")) == ("given", "2")
        assert (setting("A"), setting("B")) == ("", "")
    assert (setting("A"), setting("B"), seen) == ("given", "", ["given"])
