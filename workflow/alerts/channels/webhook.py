"""Signed webhooks: the CloudEvents 1.0 structured body under the headers of Standard Webhooks.

A receiver is connected to by a numeric address that was judged a moment before, under its own name (Host, TLS), so that
a name cannot point elsewhere between check and use.  Redirects are failures, answers are read up to a bound, and the
whole attempt has one time limit, whichever way a receiver dawdles.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import ssl
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx2
from standardwebhooks import Webhook

from workflow.alerts.channels import Outcome, failed
from workflow.service.addresses import Addresses, AddressRefused, Judged

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
MOST_ANSWER_BYTES = 65536
LONGEST_WAIT_SECONDS = 3600.0
"""No receiver makes us wait longer by `Retry-After`."""


class Limits(NamedTuple):
    """Seconds: to connect, between bytes, to read the answer's body once it said yes, and for the whole attempt."""

    connect: float = 5.0
    read: float = 10.0
    answer: float = 2.0
    total: float = 15.0


class Webhooks:
    """Posts to receivers, with one connection pool per receiver; an asynchronous context manager for one event loop."""

    def __init__(self, addresses: Addresses, limits: Limits | None = None) -> None:
        self._addresses = addresses
        self._limits = limits or Limits()
        self._clients: dict[tuple[str, str], httpx2.AsyncClient] = {}
        self._tls = ssl.create_default_context()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def post(self, url: str, secret: str | None, message_id: str, body: bytes, now: dt.datetime) -> Outcome:
        """One attempt to deliver `body` under `message_id`, signed when there is a `secret` (`whsec_…`)."""
        try:
            async with asyncio.timeout(self._limits.total):
                judged = await asyncio.to_thread(self._addresses.webhook, url, must_resolve=True)
                return await self._try_each(judged, _headers(secret, message_id, body, now), body)
        except AddressRefused as error:
            return failed(error.zh, error.en)
        except TimeoutError:
            seconds = self._limits.total
            return failed(f"接收方 {seconds:g} 秒内没有答复", f"the receiver did not answer within {seconds:g} s")

    async def _try_each(self, judged: Judged, headers: dict[str, str], body: bytes) -> Outcome:
        """The first of the receiver's addresses that can be connected to."""
        outcome = failed("没有可连接的地址", "there is no address to connect to")
        for address in judged.addresses:
            try:
                return await self._attempt(judged.url, address, headers, body)
            except httpx2.ConnectError as error:
                outcome = failed(f"无法连接: {_said(error)}", f"cannot connect: {_said(error)}")
            except httpx2.ConnectTimeout:
                outcome = failed("连接超时", "connecting took too long")
            except httpx2.TimeoutException:
                return failed("接收方没有答复", "the receiver stopped answering")
            except httpx2.HTTPError as error:
                return failed(f"连接中断: {_said(error)}", f"the connection broke: {_said(error)}")
        return outcome

    async def _attempt(self, url: httpx2.URL, address: str, headers: dict[str, str], body: bytes) -> Outcome:
        request = self._client(url, address).stream(
            "POST",
            url.copy_with(host=address),
            headers={**headers, "Host": url.netloc.decode()},
            content=body,
            extensions={"sni_hostname": url.raw_host.decode()},
        )
        async with request as response:
            status = response.status_code
            if not 200 <= status < 300:
                return _refusal(status, response.headers.get("retry-after"))
            digest, size = hashlib.sha256(), 0
            # The receiver has said yes: what follows is kept as far as it comes, and changes nothing.
            with contextlib.suppress(httpx2.HTTPError, TimeoutError):
                async with asyncio.timeout(self._limits.answer):
                    async for chunk in response.aiter_raw():
                        digest.update(chunk[: MOST_ANSWER_BYTES - size])
                        size += len(chunk)
                        if size >= MOST_ANSWER_BYTES:
                            break
            return Outcome(proof={"status": status, "answer_sha256": digest.hexdigest(), "address": address})

    def _client(self, url: httpx2.URL, address: str) -> httpx2.AsyncClient:
        # One per name and address: a connection made under one name is never used under another.
        key = (f"{url.scheme}://{url.netloc.decode()}", address)
        if key not in self._clients:
            self._clients[key] = httpx2.AsyncClient(
                timeout=httpx2.Timeout(self._limits.read, connect=self._limits.connect),
                follow_redirects=False,
                trust_env=False,  # a proxy would connect to addresses that nobody judged
                verify=self._tls,
            )
        return self._clients[key]


def _headers(secret: str | None, message_id: str, body: bytes, now: dt.datetime) -> dict[str, str]:
    # The library reads the clock face of what it is given as UTC, whatever its zone.
    moment = now.astimezone(dt.UTC).replace(microsecond=0)
    headers = {
        "content-type": CONTENT_TYPE,
        "user-agent": "baozhuang",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
    }
    if secret is not None:
        headers["webhook-signature"] = Webhook(secret).sign(message_id, moment, body.decode())
    return headers


def _refusal(status: int, retry_after: str | None) -> Outcome:
    more: dict[str, Any] = {}
    if status == 410:
        return failed("接收方答复 410: 已停用此地址", "the receiver answered 410: gone for good", final=True, gone=True)
    if 300 <= status < 400:
        return failed(
            f"接收方要求转到别处 ({status}); 不跟随转向, 请登记最终地址",
            f"the receiver redirects ({status}); redirects are not followed, register the final address",
        )
    if status in (429, 503) and retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        more["wait_seconds"] = min(float(retry_after), LONGEST_WAIT_SECONDS)
    return failed(f"接收方答复 {status}", f"the receiver answered {status}", **more)


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:120]
