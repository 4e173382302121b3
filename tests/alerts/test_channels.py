"""One attempt through each channel, against real receivers on loopback that answer well, badly, late or never."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from email import message_from_string
from email.header import decode_header, make_header

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.alerts.receivers import LOOPBACK, MailServer, Receiver, receiver
from workflow.alerts.channels import Outcome
from workflow.alerts.channels.relay import Relay, redacted
from workflow.alerts.channels.relay_process import Bound, Guard
from workflow.alerts.channels.webhook import Limits, Webhooks
from workflow.core.times import BUSINESS_ZONE
from workflow.service.addresses import NETWORKS_VARIABLE, Addresses

ALLOWED = Addresses.of_environment({NETWORKS_VARIABLE: LOOPBACK})
SECRET = "whsec_" + "c2VjcmV0" * 6
QUICK = Limits(connect=1, read=0.6, answer=0.3, total=1.0)
BODY = '{"specversion":"1.0","id":"m-1","data":"预警"}'.encode()


@pytest.fixture(scope="module")
def web() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture(autouse=True)
def fresh(web: Receiver) -> None:
    web.received.clear()


def now() -> dt.datetime:
    return dt.datetime.now(BUSINESS_ZONE)


def post(url: str, *, addresses: Addresses = ALLOWED, secret: str | None = SECRET) -> Outcome:
    async def run() -> Outcome:
        async with Webhooks(addresses, QUICK) as webhooks:
            return await webhooks.post(url, secret, "m-1", BODY, now())

    return asyncio.run(run())


# ---- webhooks --------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_so_that_its_receiver_can_verify_it(web: Receiver) -> None:
    outcome = post(f"{web.url}/ok/hook?tenant=1")
    assert outcome.delivered
    assert outcome.proof is not None
    # printf taken | sha256sum
    assert outcome.proof["answer_sha256"] == "99341d56cc28805370b9f449c044a4cf00a1e7eb003362116c814fd96899c55c"
    (got,) = web.received
    assert (got.path, got.body) == ("/ok/hook?tenant=1", BODY)
    assert got.headers["host"] == f"127.0.0.1:{web.port}"
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    Webhook(SECRET).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body + b" ", got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body, {**got.headers, "webhook-id": "m-2"})


@pytest.mark.parametrize(
    ("mode", "said"),
    [("500", "500"), ("404", "404"), ("redirect", "redirects"), ("hang", "answer"), ("drip", "answer")],
)
def test_what_is_not_taken_is_a_failure_with_its_reason(web: Receiver, mode: str, said: str) -> None:
    began = time.monotonic()
    outcome = post(f"{web.url}/{mode}")
    assert time.monotonic() - began < 10  # bounded at all: the receiver would go on for ever
    assert not outcome.delivered
    assert not outcome.final
    assert said in (outcome.reason or "")
    assert len(web.received) == 1  # a redirect was not followed


def test_an_answer_without_end_is_read_to_a_bound(web: Receiver) -> None:
    assert post(f"{web.url}/endless").delivered


def test_gone_is_final_and_asks_for_nothing_more(web: Receiver) -> None:
    outcome = post(f"{web.url}/410")
    assert (outcome.delivered, outcome.final, outcome.gone) == (False, True, True)


def test_a_receiver_may_ask_to_wait(web: Receiver) -> None:
    assert post(f"{web.url}/429").wait_seconds == 120


def test_nobody_listening_is_a_failure() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "connect" in (post(f"http://127.0.0.1:{port}/").reason or "")


def test_nothing_is_sent_to_this_machine_unless_allowed(web: Receiver) -> None:
    outcome = post(f"{web.url}/ok", addresses=Addresses())
    assert "127.0.0.1" in (outcome.reason or "")
    assert web.received == []


def test_a_name_that_turns_to_this_machine_after_registration_gains_nothing(
    web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["8.8.8.8", "127.0.0.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, *_, **__: [(socket.AF_INET, 1, 6, "", (next(answers), port))]
    )
    url = f"http://hook.example.com:{web.port}/ok"
    Addresses().destination("webhook", url)  # registered while it was harmless
    outcome = post(url, addresses=Addresses())
    assert "127.0.0.1" in (outcome.reason or "")
    assert web.received == []


def test_the_address_that_was_judged_is_connected_to_under_the_name(
    web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = socket.getaddrinfo

    def once(host: str | bytes, port: int, *more: int, **named: int) -> object:
        if host == "hook.example.com":
            asked.append(host)
            return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]
        return real(host, port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    assert post(f"http://hook.example.com:{web.port}/ok").delivered
    assert web.received[0].headers["host"] == f"hook.example.com:{web.port}"
    assert asked == ["hook.example.com"]  # looked up once: judged and used are the same


def test_a_certificate_is_checked_against_the_name_not_the_number(
    web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[object] = []

    async def handle(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        names.append((request.url.host, request.extensions.get("sni_hostname")))
        return httpx2.Response(200, stream=httpx2.ByteStream(b"taken"))

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", handle)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, *_, **__: [(socket.AF_INET, 1, 6, "", ("8.8.8.8", port))]
    )
    assert post("https://hook.example.com/x").delivered
    assert names == [("8.8.8.8", "hook.example.com")]
    assert ssl.create_default_context().check_hostname


def test_a_receiver_is_connected_to_once_for_many_messages(web: Receiver) -> None:
    async def run() -> list[Outcome]:
        async with Webhooks(ALLOWED, QUICK) as webhooks:
            return [await webhooks.post(f"{web.url}/ok", SECRET, f"m-{n}", BODY, now()) for n in range(20)]

    assert all(one.delivered for one in asyncio.run(run()))
    assert {one.id for one in web.received} == {f"m-{n}" for n in range(20)}


# ---- Apprise ---------------------------------------------------------------------------------------------------------


def relay(*urls: str, addresses: Addresses = ALLOWED, seconds: float = 8.0) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with Relay(addresses, size=1, seconds=seconds) as relay:
            return [await relay.send(url, "【红色预警】", "今日到期 / due today", generic=True) for url in urls]

    return asyncio.run(run())


def test_apprise_delivers_with_the_digest_of_the_answer_and_e_mail_too(web: Receiver) -> None:
    mail = MailServer()
    try:
        posted, mailed = relay(
            f"json://127.0.0.1:{web.port}/ok", f"mailto://127.0.0.1:{mail.port}/?from=a@example.com&to=b@example.com"
        )
    finally:
        mail.close()
    assert posted.proof is not None
    assert [one["status"] for one in posted.proof["answers"]] == [200]
    assert json.loads(web.received[0].body)["message"] == "今日到期 / due today"
    assert mailed.delivered, mailed.reason
    (text,) = mail.mails
    assert str(make_header(decode_header(message_from_string(text)["Subject"]))) == "【红色预警】"


def test_apprise_fails_with_a_reason_and_the_next_one_goes_through(web: Receiver) -> None:
    bad, redirected, hanging, good = relay(
        f"json://127.0.0.1:{web.port}/500",
        f"json://127.0.0.1:{web.port}/redirect?redirect=yes",
        f"json://127.0.0.1:{web.port}/drip?rto=60",
        f"json://127.0.0.1:{web.port}/ok",
        seconds=3.0,
    )
    assert "500" in (bad.reason or "")
    assert not redirected.delivered
    assert not hanging.delivered
    assert good.delivered, good.reason
    assert [one.path.split("?")[0] for one in web.received] == ["/500", "/redirect", "/drip", "/ok"]


def test_apprise_reaches_this_machine_by_no_service(web: Receiver) -> None:
    loopback, local, path, inside = relay(
        f"json://127.0.0.1:{web.port}/ok",
        "syslog://",
        "workflows://8.8.8.8/workflow/signature/?template=/etc/passwd",
        "workflows://8.8.8.8/workflow/signature/?template=README.md",  # found out only when it is opened
        addresses=Addresses(),
        seconds=4.0,
    )
    assert "loopback" in (loopback.reason or "")
    assert "only this machine" in (local.reason or "")
    assert "names a local file" in (path.reason or "")
    assert "must not name a local file" in (inside.reason or "")
    assert web.received == []


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("127.0.0.1", 25))),
        ("socket.connect", (None, ("::ffff:127.0.0.1", 25, 0, 0))),
        ("socket.connect", (None, "/run/dbus/system_bus_socket")),
        ("socket.connect", (None, ("still-a-name.example.com", 25))),
        ("socket.sendto", (None, ("169.254.169.254", 80))),
        ("open", ("/etc/passwd", "r", 0)),
        ("open", (b"/etc/shadow", "r", 0)),
        ("open", (f"{sys.prefix}/../../../../../../etc/passwd", "r", 0)),
        ("subprocess.Popen", ("sh", ["sh"], None, None)),
        ("os.system", (b"true",)),
    ],
)
def test_the_sending_process_is_bound_whatever_library_it_uses(event: str, arguments: tuple[object, ...]) -> None:
    guard = Guard(Addresses())
    with pytest.raises(Bound):
        guard(event, arguments)
    assert len(guard.objections) == 1


def test_the_sending_process_may_do_its_work() -> None:
    guard = Guard(Addresses())
    guard("socket.connect", (None, ("8.8.8.8", 443)))
    guard("open", (ssl.__file__, "r", 0))
    guard("open", (3, "r", 0))  # a descriptor it has already
    guard("import", ("email", None, None, None, None))
    assert guard.objections == []


def test_a_reason_carries_no_secrets() -> None:
    url = "mailtos://user:pass-word-1@mail.example.com/?to=someone@example.com"
    said = redacted(f"login to {url} with pass-word-1 failed for someone@example.com", url)
    assert "pass-word-1" not in said
    assert "someone" not in said
    assert "login to" in said
