"""Servers for the tests of notices."""

from collections.abc import Iterator

import pytest

from tests.search.notices.servers import Hook, Mailbox, mail_server, web_server


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_server() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as server:
        yield server
