"""Apprise in processes of their own: 企业微信, 钉钉, 飞书, e-mail and the rest.

Its services open connections with many libraries and limits of their own.  In a child process every connection can be
judged by its numeric address when it is made, whatever library makes it, and a service that hangs is ended with its
process.  The address with its secrets goes to the child through a pipe, never on a command line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from types import TracebackType
from typing import Self

import msgspec

from workflow.alerts.channels import Outcome, failed
from workflow.service.addresses import NETWORKS_VARIABLE, Addresses

LONGEST_START_SECONDS = 30.0
"""A child that is not ready by then does not start."""

_LIMIT = 1 << 20


class Errand(msgspec.Struct, frozen=True):
    """One message for the child. `seconds`: how long its service may take; `generic`: to a customer gateway, which may
    be any web address."""

    url: str
    title: str
    text: str
    seconds: float
    generic: bool = False


class Report(msgspec.Struct, frozen=True):
    """What the child says of it. `answers`: status and SHA-256 of each HTTP answer."""

    delivered: bool
    service: str = ""
    reason: str = ""
    answers: tuple[tuple[int, str], ...] = ()


class Relay:
    """Up to `size` children, each at one message; an asynchronous context manager for one event loop."""

    def __init__(self, addresses: Addresses, *, size: int = 2, seconds: float = 20.0) -> None:
        self._allowed = ",".join(str(network) for network in addresses.allowed)
        self._seconds = seconds
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        for _ in range(size):
            self._free.put_nowait(None)  # started when first needed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        while not self._free.empty():
            child = self._free.get_nowait()
            if child is not None:
                await _end(child)

    async def send(self, url: str, title: str, text: str, *, generic: bool = False) -> Outcome:
        """One attempt to deliver a text to an Apprise address; `generic` as of `Addresses.apprise`."""
        child = await self._free.get()
        try:
            if child is None or child.returncode is not None:
                child = await self._start()
            errand = msgspec.json.encode(Errand(url, title, text, self._seconds, generic)) + b"\n"
            async with asyncio.timeout(self._seconds + 2):  # its own limit first: it says more
                report = await _ask(child, errand)
        except TimeoutError:
            if child is not None:
                await _end(child)
            seconds = self._seconds
            return failed(f"{seconds:g} 秒内没有送达, 已中止", f"not delivered within {seconds:g} s; given up")
        except (OSError, EOFError, msgspec.DecodeError) as error:
            if child is not None:
                await _end(child)
            return failed(f"发送进程中断: {type(error).__name__}", f"the sending process broke: {type(error).__name__}")
        except BaseException:
            if child is not None:
                await _end(child)  # an answer that nobody waits for must not be taken for the next one
            raise
        finally:
            self._free.put_nowait(child)
        if not report.delivered:
            said = redacted(report.reason, url)
            return failed(f"{report.service} 未送达: {said}", f"{report.service} did not deliver: {said}")
        answers = [{"status": status, "answer_sha256": digest} for status, digest in report.answers]
        return Outcome(proof={"service": report.service, "answers": answers})

    async def _start(self) -> Process:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workflow.alerts.channels.relay_process",
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=_LIMIT,
            env={**os.environ, NETWORKS_VARIABLE: self._allowed},
            start_new_session=True,  # an interrupt of the worker lets the message at hand finish
        )  # fmt: skip
        try:
            async with asyncio.timeout(LONGEST_START_SECONDS):
                await _line(child)
        except BaseException:
            await _end(child)
            raise
        return child


async def _ask(child: Process, errand: bytes) -> Report:
    if child.stdin is None:
        raise EOFError
    child.stdin.write(errand)
    await child.stdin.drain()
    return msgspec.json.decode(await _line(child), type=Report)


async def _line(child: Process) -> bytes:
    line = b"" if child.stdout is None else await child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line


async def _end(child: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()


def redacted(text: str, url: str) -> str:
    """`text` without the parts of an address that may be secrets, and short."""
    for part in sorted(set(re.split(r"[:/@?&=,]+", url)), key=len, reverse=True):
        if len(part) >= 6:
            text = text.replace(part, "…")
    return " ".join(text.split())[:300]
