"""An S3 server in this process, of the package moto: on the loopback, on a free port, with all in memory."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

BUCKET = "tests"
SECRET = "s3cret/key"


@dataclass(slots=True)
class S3:
    """A running server. endpoint: its URL."""

    endpoint: str
    _numbers: Iterator[int] = field(default_factory=count)

    def environment(self) -> dict[str, str]:
        """What the environment must say so that boto3 finds the server, and nothing of the user's."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A client of the server, for what mlpsearch does not do."""
        import boto3

        session = boto3.Session("tester", SECRET, region_name="us-east-1")
        return session.client("s3", endpoint_url=self.endpoint)

    def new_place(self) -> str:
        """Return a new place in the bucket; one bucket for all, since making a client takes a while."""
        return f"s3://{BUCKET}/some/prefix-{next(self._numbers)}"


@contextmanager
def running_s3() -> Iterator[S3]:
    """Start a server, and end it with the body."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it says every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        started = S3(f"http://{host}:{port}")
        started.client().create_bucket(Bucket=BUCKET)
        yield started
    finally:
        server.stop()
