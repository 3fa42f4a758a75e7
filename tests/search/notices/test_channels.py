"""How a notice goes out, to a web server and to a mail server here, and what is said where it does not."""

import socket
import threading
from typing import Any

import pytest

from mlpsearch.models.errors import NoticeError
from mlpsearch.search.notices import apprise_channel, channel, webhook
from mlpsearch.search.notices.apprise_channel import AppriseChannel
from mlpsearch.search.notices.channel import NotDelivered, send_in_time
from mlpsearch.search.notices.message import Notice
from mlpsearch.search.notices.notifier import channels
from mlpsearch.search.notices.webhook import Webhook
from tests.search.notices.servers import PASSWORD, USER, Hook, Mailbox

NOTICE = Notice(
    "confirmed", "mine is confirmed", "winner: trial 1\ntest: 97% ± 1", {"event": "confirmed", "ü": "☃"}
)


def trouble(target: channel.Channel) -> str:
    with pytest.raises(NotDelivered) as caught:
        send_in_time(target, NOTICE)
    return str(caught.value)


# ---- webhooks ----


def test_a_webhook_gets_the_document(hook: Hook) -> None:
    send_in_time(Webhook(hook.url), NOTICE)
    [(method, path, headers, document)] = hook.requests
    assert (method, path, document) == ("POST", "/hook?key=s3cret", NOTICE.document)
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


def test_user_and_password_go_as_basic_authorization(hook: Hook) -> None:
    send_in_time(Webhook(f"http://some%40body:p%3Aw@127.0.0.1:{hook.port}"), NOTICE)
    [(_, path, headers, _)] = hook.requests
    assert path == "/"
    assert headers["Authorization"] == "Basic c29tZUBib2R5OnA6dw=="  # some@body:p:w


def test_letters_that_no_address_may_have_are_encoded(hook: Hook) -> None:
    send_in_time(Webhook(f"http://127.0.0.1:{hook.port}/für alle/a%20b?c=d e"), NOTICE)
    assert hook.requests[0][1] == "/f%C3%BCr%20alle/a%20b?c=d%20e"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(hook: Hook, status: int) -> None:
    hook.answer, hook.headers = status, {"Location": f"http://127.0.0.1:{hook.port}/elsewhere"}
    assert trouble(Webhook(hook.url)) == f"it answered {status}, a redirect, which is not followed"
    assert len(hook.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_answer_that_is_no_success_is_said(hook: Hook, status: int) -> None:
    hook.answer = status
    assert trouble(Webhook(hook.url)) == f"it answered {status}"


def test_a_server_that_is_not_there_is_said(hook: Hook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert trouble(Webhook(f"http://127.0.0.1:{port}/secret")) == "Connection refused"


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert trouble(Webhook(f"http://127.0.0.1:{port}/secret")) == "no answer within 0.1 s"


def test_a_server_that_speaks_something_else_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"what?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert trouble(Webhook(f"http://127.0.0.1:{listener.getsockname()[1]}")) in (
            "BadStatusLine",
            "Connection reset by peer",
            "Broken pipe",
        )
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https:///secret",
        "http://secret host/",
        "http://a:70000/secret",
        "http://[secret/",
    ],
)
def test_an_address_that_names_no_host_is_refused_without_printing_it(url: str) -> None:
    with pytest.raises(NoticeError, match="must name a host") as caught:
        channels([url])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://user:secret@example.org:8443/T0/secret?token=secret#secret", "https://example.org:8443"),
        ("HTTP://Example.org/secret", "http://example.org"),
        ("https://[::1]:8080/secret", "https://[::1]:8080"),
        ("https://bücher.example/secret", "https://xn--bcher-kva.example"),
    ],
)
def test_what_is_printed_of_an_address_has_no_secret(url: str, name: str) -> None:
    [target] = channels([url])
    assert target.name == name


# ---- Apprise ----


def test_mail_has_title_and_text(mailbox: Mailbox) -> None:
    send_in_time(AppriseChannel(mailbox.url), NOTICE)
    [mail] = mailbox.mails
    assert (mail["Subject"], mail["To"]) == ("mine is confirmed", "people@example.org")
    assert mail.get_content().splitlines() == NOTICE.text.splitlines()


def test_mail_that_is_refused_is_said_without_secrets(
    mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    mailbox.refuses = True
    found = trouble(AppriseChannel(mailbox.url))
    assert found
    printed = capsys.readouterr()
    for text in (found, printed.out, printed.err):
        assert USER not in text
        assert PASSWORD not in text
    assert mailbox.mails == []


def test_a_mail_server_that_is_not_there_is_said(mailbox: Mailbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert trouble(AppriseChannel(mailbox.url.replace(str(mailbox.port), str(port))))


@pytest.mark.parametrize("url", ["mailto://", "nosuch://secret/", "secret", "json://, nosuch://secret", ""])
def test_an_address_that_apprise_refuses_is_refused_before_anything_is_done(url: str) -> None:
    with pytest.raises(NoticeError, match="must be an address that Apprise takes") as caught:
        channels([url])
    assert "secret" not in str(caught.value)


def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, hook: Hook) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    assert channels([hook.url])[0].name == f"http://127.0.0.1:{hook.port}"
    with pytest.raises(NoticeError) as caught:
        channels(["tgram://123:secret/456"])
    assert str(caught.value) == "--notify tgram://… needs the package apprise: pip install 'mlpsearch[notify]'"


class _Result:
    """As Apprise 2 answers: false on failure, but never `False`."""

    def __bool__(self) -> bool:
        return False


def test_an_answer_that_is_false_without_being_false_is_a_failure(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = AppriseChannel(mailbox.url)
    monkeypatch.setattr(target._apprise, "notify", lambda **_: _Result())
    assert trouble(target) == "it was refused"


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("123:abc-def/chat", "no answer of 123:abc-def for chat"),
        ("user:p%40ss@host/?key=word", "p@ss, p%40ss, word"),
        ("a:b@host", "host:a:b"),
    ],
)
def test_no_part_of_an_address_is_in_what_is_said(rest: str, line: str) -> None:
    for secret in apprise_channel._parts(rest):
        line = line.replace(secret, "***")
    for part in ("123", "abc", "chat", "p@ss", "p%40ss", "word", "host"):
        assert part not in line


# ---- whatever happens ----


class Hangs:
    name = "hangs"
    over = threading.Event()

    def send(self, _: Notice) -> None:
        self.over.wait()


def test_a_library_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "SEND_SECONDS", 0.05)
    assert trouble(Hangs()) == "no end within 0.05 s"
    Hangs.over.set()


def test_an_error_of_a_library_is_named_by_its_kind() -> None:
    class Breaks:
        name = "breaks"

        def send(self, *_: Any) -> None:
            raise RuntimeError("https://secret")

    assert trouble(Breaks()) == "RuntimeError"
