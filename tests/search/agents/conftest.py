"""A server of the storage of a test, asked by the SDK's own client within this process."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent

from mlpsearch.search.agents.server import make_server
from tests.search.cli_cases import STUDY_FILE

Ask = Callable[..., dict[str, Any]]
Refused = Callable[..., str]
FILE = f"{STUDY_FILE}[confirm]\ntop = 2\nseeds = 2\nreport = 2\n"


def call(url: str, tool: str, *, allow_runs: bool = True, **arguments: Any) -> CallToolResult:
    """What a new server of this storage answers."""

    async def ask() -> CallToolResult:
        server = make_server(url, allow_runs=allow_runs)
        async with Client(server) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(ask)


def text_of(result: CallToolResult) -> str:
    """The one text of an answer."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture
def ask() -> Ask:
    """Call a tool that succeeds, of a server that may run studies; return its document."""

    def get(url: str, tool: str, **arguments: Any) -> dict[str, Any]:
        result = call(url, tool, **arguments)
        assert not result.is_error, text_of(result)
        found: dict[str, Any] | None = result.structured_content
        assert found is not None
        return found

    return get


@pytest.fixture
def refused() -> Refused:
    """Call a tool that fails; return what it says."""

    def get(url: str, tool: str, **arguments: Any) -> str:
        result = call(url, tool, **arguments)
        assert result.is_error
        return text_of(result)

    return get
