"""The guard by itself: who is let in, what may be done, and what every answer carries."""

from collections.abc import Iterable
from dataclasses import replace
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.search.dashboard.answers import filled
from mlpsearch.search.dashboard.guard import Guard, Rules
from tests.search.dashboard.makers import ADDRESS, HERE, READ_ONLY, WRITABLE, ask, open_to_all

WITH_TOKEN = replace(READ_ONLY, token="right")
EVERYWHERE = replace(READ_ONLY, address=replace(ADDRESS, everywhere=True, names=ADDRESS.names | {"box"}))


def guard(rules: Rules, app: WSGIApplication = open_to_all) -> Guard:
    return Guard(app, open_to_all, rules)


# ---- names ----


@pytest.mark.parametrize("host", [HERE, "localhost:8080", "LocalHost:8080", "[::1]:8080"])
def test_its_own_names_are_answered(host: str) -> None:
    assert ask(guard(READ_ONLY), "/", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8080",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:8081",
        "127.0.0.1:8080.evil.example",
        "localhost.evil.example:8080",
        "evil.example#127.0.0.1:8080",
        "evil@127.0.0.1:8080",
        "127.0.0.1:8080, 127.0.0.1:8080",
        "192.168.0.7:8080",
        "2130706433:8080",
        "",
        None,
    ],
)
def test_other_names_are_refused_in_one_line_that_tells_the_right_one(host: str | None) -> None:
    reply = ask(guard(READ_ONLY), "/dashboard", host=host)
    assert (reply.status, reply.text.count("\n")) == (403, 1)
    assert HERE in reply.text


@given(st.text(max_size=30))
def test_no_other_text_is_a_name(text: str) -> None:
    names = {f"{name}:8080" for name in ADDRESS.names}
    assert ADDRESS.knows(text) == (text.lower() in names)


@pytest.mark.parametrize(
    ("host", "known"),
    [("192.168.0.7:8080", True), ("[fe80::1]:8080", True), ("box:8080", True), ("evil.example:8080", False)],
)
def test_who_listens_everywhere_answers_to_numbers_but_not_to_names_of_others(host: str, known: bool) -> None:
    assert (ask(guard(EVERYWHERE), "/", host=host).status == 200) is known


def test_on_port_80_browsers_leave_the_port_out() -> None:
    rules = replace(READ_ONLY, address=replace(ADDRESS, port=80))
    assert ask(guard(rules), "/", host="localhost").status == 200


# ---- the token ----


@pytest.mark.parametrize(
    ("query", "cookie"),
    [
        ("", ""),
        ("token=", ""),
        ("token=wrong", ""),
        ("token=righ", ""),
        ("token=right%00", ""),
        ("token=%E2%82%AC", ""),
        ("Token=right", ""),
        ("", "mlpsearch-8080=wrong"),
        ("", "mlpsearch-8080="),
        ("", "mlpsearch-8081=right"),
        ("", "mlpsearch-8080=\udce4"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/dashboard", "/api/studies", "/static/bundle.js", "/artifacts/1/ab"])
def test_without_the_token_nothing_is_shown(query: str, cookie: str, path: str) -> None:
    reply = ask(guard(WITH_TOKEN), path, query=query, COOKIE=cookie)
    assert reply.status == 401
    assert b"GET" not in reply.body
    assert "right" not in reply.text


def test_the_refusal_is_one_line() -> None:
    assert ask(guard(WITH_TOKEN), "/dashboard").text.splitlines() == [
        "open the address that `mlpsearch dashboard` printed, with its token"
    ]


def test_the_first_visit_leaves_a_cookie_and_takes_the_token_out_of_the_address() -> None:
    reply = ask(guard(WITH_TOKEN), "/dashboard/studies/1", query="a=1&token=right&b=%2F")
    assert reply.status == 303
    assert reply.headers["location"] == "/dashboard/studies/1?a=1&b=%2F"
    cookie, *attributes = reply.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} == {*attributes}
    after = ask(guard(WITH_TOKEN), "/dashboard/studies/1", COOKIE=f"other=1; {cookie}")
    assert (after.status, after.text) == (200, "GET /dashboard/studies/1")


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example"])
def test_the_redirect_stays_here(path: str) -> None:
    location = ask(guard(WITH_TOKEN), path, query="token=right").headers["location"]
    assert location.startswith("/")
    assert location[1] not in "/\\"


def test_a_program_may_show_the_token_with_each_request() -> None:
    rules = replace(WITH_TOKEN, allow_writes=True)
    assert ask(guard(rules), "/api/studies", "POST", query="token=right", json_body={}).status == 200
    assert ask(guard(rules), "/api/studies", "POST", query="token=wrong", json_body={}).status == 401


def test_where_no_token_is_needed_none_is_right() -> None:
    assert ask(guard(READ_ONLY), "/", query="token=").status == 200
    assert "set-cookie" not in ask(guard(READ_ONLY), "/", query="token=").headers


# ---- writes ----


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "get", "BREW"])
def test_only_reading_passes(method: str) -> None:
    reply = ask(guard(READ_ONLY), "/anything", method)
    assert (reply.status, reply.text.count("\n")) == (403, 1)
    assert "--allow-writes" in reply.text
    assert ask(guard(WRITABLE), "/anything", method).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_passes(method: str) -> None:
    assert ask(guard(READ_ONLY), "/anything", method).text == f"{method} /anything"


def test_the_page_gets_its_refusals_as_json() -> None:
    assert "--allow-writes" in ask(guard(READ_ONLY), "/api/studies/1", "DELETE").text
    assert ask(guard(READ_ONLY), "/api/studies/1", "DELETE").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"ORIGIN": "http://127.0.0.1:8080"}, True),
        ({"REFERER": "http://127.0.0.1:8080/dashboard"}, True),
        ({"ORIGIN": "http://127.0.0.1:8080", "SEC_FETCH_SITE": "same-origin"}, True),
        ({"ORIGIN": "http://evil.example"}, False),
        ({"ORIGIN": "http://127.0.0.1:8081"}, False),
        ({"ORIGIN": "http://localhost:8080"}, False),  # another origin than the Host that was asked
        ({"ORIGIN": "https://127.0.0.1:8080"}, False),
        ({"ORIGIN": "http://127.0.0.1:8080.evil.example"}, False),
        ({"ORIGIN": "http://127.0.0.1:8080@evil.example"}, False),
        ({"ORIGIN": "null"}, False),
        ({"ORIGIN": ""}, False),
        ({"REFERER": "http://evil.example/?http://127.0.0.1:8080/"}, False),
        ({"ORIGIN": "http://evil.example", "REFERER": "http://127.0.0.1:8080/"}, False),
        ({"SEC_FETCH_SITE": "cross-site"}, False),
        ({"SEC_FETCH_SITE": "same-site"}, False),
    ],
)
def test_writes_of_other_pages_are_refused_even_where_writing_is_allowed(
    headers: dict[str, str], allowed: bool
) -> None:
    assert (ask(guard(WRITABLE), "/api/x", "POST", **headers).status == 200) is allowed


# ---- every answer ----


@pytest.mark.parametrize(
    ("path", "host"), [("/dashboard", HERE), ("/api/x", HERE), ("/artifacts/1/ab", HERE), ("/", "evil.example")]
)
def test_every_answer_is_hardened(path: str, host: str) -> None:
    headers = ask(guard(READ_ONLY), path, host=host).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    assert ("sandbox" in headers["content-security-policy"]) is path.startswith("/artifacts/")


@pytest.mark.parametrize(
    ("path", "seen"), [("//dashboard//", "/dashboard"), ("/static/a/", "/static/a"), ("", "/"), ("/", "/")]
)
def test_the_path_that_is_checked_is_the_path_that_is_seen(path: str, seen: str) -> None:
    assert ask(guard(READ_ONLY), path).text == f"GET {seen}"


@pytest.mark.parametrize("path", ["/arti\xfffacts/1/ab", "/a\x00b", "/a\r\nb"])
def test_what_cannot_be_a_path_is_not_found(path: str) -> None:
    assert ask(guard(READ_ONLY), path).status == 404


def test_an_empty_answer_is_filled_so_that_the_page_can_read_it() -> None:
    def empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("204 No Content", [])
        return []

    reply = ask(filled(empty), "/api/x", "PUT")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"{}", "2")
    assert ask(filled(open_to_all), "/api/x").text == "GET /api/x"
