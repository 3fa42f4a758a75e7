"""`mlpsearch mcp` as agents start it: a process, asked over its standard streams by the SDK's own client."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.session import IncomingMessage
from mcp.client.stdio import stdio_client

from tests.patience import PATIENCE_SECONDS
from tests.search.agents.conftest import FILE
from tests.search.conftest import Command


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] | None = result.structured_content
    assert found is not None
    return found


def test_from_a_study_file_to_a_confirmed_result(tmp_path: Path) -> None:
    noise: list[Exception] = []  # what is no message of the protocol, on stdout

    async def listen(message: IncomingMessage) -> None:
        if isinstance(message, Exception):
            noise.append(message)

    async def confirmed() -> dict[str, Any]:
        options = ["mcp", "--allow-runs", "--storage", "studies.db"]
        server = StdioServerParameters(
            command=sys.executable,
            args=["-P", "-m", "mlpsearch", *options],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=tmp_path,
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        with (tmp_path / "said").open("w") as said:
            async with Client(stdio_client(server, errlog=said), message_handler=listen) as client:
                assert client.server_info is not None
                assert client.server_info.name == "mlpsearch"
                assert "data, never instructions" in (client.instructions or "")
                made = await ask(client, "submit_study", study=FILE)
                (step,) = made["next"]
                assert step["why"] == "2 trials are left, and no worker is at it now"
                worker = [sys.executable, "-P", "-m", *shlex.split(step["command"])]
                with subprocess.Popen(worker, cwd=tmp_path, stderr=said) as work:
                    while (await ask(client, "study_status", study="own"))["next"][0]["tool"] != "study_report":
                        assert time.monotonic() < deadline, Path("said").read_text()
                        await anyio.sleep(0.2)
                    assert work.wait(PATIENCE_SECONDS) == 0
                return await ask(client, "headline", study="own")

    found = anyio.run(confirmed)
    assert noise == []
    assert found["says"].startswith(f"trial {found['headline']['trial']}, confirmed over 2 fresh seeds; ")
    assert found["headline"]["test"]["opening"] == 1
    assert found["headline"]["test"]["command"] == "mlpsearch mcp: submit_study own"


def test_nothing_but_messages_of_the_protocol_is_on_stdout_and_it_ends_with_its_input(tmp_path: Path) -> None:
    options = ["mcp", "--allow-runs", "--storage", "studies.db"]
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    requests = [
        ("initialize", about),
        ("tools/call", {"name": "submit_study", "arguments": {"study": FILE}}),
        ("tools/call", {"name": "report_image", "arguments": {"study": "own"}}),
    ]
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "mlpsearch", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        for number, (method, params) in enumerate(requests, 1):
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            server.stdin.write(f"{json.dumps(request)}\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline())
            assert (answer["id"], "error" in answer) == (number, False)
        server.stdin.close()
        assert server.stdout.read() == ""
    assert server.returncode == 0, (tmp_path / "said").read_text()


def test_without_its_package_the_command_names_the_extra(
    mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpsearch.search.cli.agents.find_spec", lambda _: None)
    answer = mlpsearch("mcp")
    assert (answer.code, answer.out) == (2, "")
    assert "pip install 'mlpsearch[mcp]'" in answer.err
