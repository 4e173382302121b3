"""The child of `relay`: takes errands as lines of JSON on its input and answers each with a line.

After it has loaded Apprise it binds itself: from then on no connection is made to an address that may not be used, no
socket of this machine is opened, no program started, and no file read outside the Python installation.  The hook is the
interpreter's own and cannot be taken off.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from typing import Any

import msgspec
import requests
from apprise import Apprise
from apprise.logger import logger

from workflow.alerts.channels.relay import Errand, Report
from workflow.service.addresses import Addresses, AddressRefused, service_of

_PROGRAMS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "pty.spawn")
_READABLE = (
    *{os.path.realpath(path) for path in (*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix)},
    os.path.realpath(os.devnull), "/etc/ssl", "/etc/pki", "/usr/share/zoneinfo", "/etc/localtime",
)  # fmt: skip


class Bound(OSError):
    """What the service tried is not allowed here."""


class Guard:
    """The interpreter's audit hook. `objections`: what was refused while the errand at hand was run."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.objections: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Judge one event. Raises Bound."""
        if event in ("socket.connect", "socket.sendto"):
            self._connection(arguments[1])
        elif event == "open" and isinstance(arguments[0], str | bytes):
            self._file(os.fsdecode(arguments[0]))
        elif event in _PROGRAMS:
            raise self._refused("接收地址不得启动程序 / an address must not start a program")

    def _connection(self, target: Any) -> None:
        host = target[0] if isinstance(target, tuple) else None
        if not isinstance(host, str):
            raise self._refused("接收地址不得使用本机套接字 / an address must not use a socket of this machine")
        try:
            self.addresses.check(host)
        except AddressRefused as error:
            raise self._refused(str(error)) from error

    def _file(self, path: str) -> None:
        real = os.path.realpath(path)
        if not any(real == root or real.startswith(root + os.sep) for root in _READABLE):
            raise self._refused("接收地址不得读写本机文件 / an address must not name a local file")

    def _refused(self, said: str) -> Bound:
        self.objections.append(said)
        return Bound(said)


class Answers:
    """The digests of HTTP answers, which Apprise itself does not hand out."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []
        self._send = requests.Session.send

    def install(self) -> None:
        """Listen to every answer in this process."""
        send, seen = self._send, self.seen

        def listening(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
            answer = send(session, request, **options)
            if not options.get("stream"):
                seen.append((answer.status_code, hashlib.sha256(answer.content).hexdigest()))
            return answer

        requests.Session.send = listening  # type: ignore[method-assign, assignment]  # this process does nothing else


def run(errand: Errand, guard: Guard, answers: Answers) -> Report:
    """Send one message."""
    guard.objections.clear()
    answers.seen.clear()
    try:
        guard.addresses.apprise(errand.url, generic=errand.generic)
        service = service_of(errand.url)
    except AddressRefused as error:
        return Report(
            delivered=False, service="Apprise", reason="; ".join(dict.fromkeys([*guard.objections, str(error)]))
        )
    name = str(service.service_name)
    sender = Apprise()
    sender.add(service)
    result = sender.notify(body=errand.text, title=errand.title, timeout=errand.seconds)
    if result and not guard.objections:
        return Report(delivered=True, service=name, answers=tuple(answers.seen))
    said = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR", "CRITICAL")]
    reason = "; ".join(dict.fromkeys([*guard.objections, *said])) or "没有说明原因 / no reason given"
    return Report(delivered=False, service=name, reason=reason, answers=tuple(answers.seen))


def main() -> None:
    """Answer errands until the input ends."""
    answering = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a service prints is no answer
    logger.setLevel("WARNING")
    guard, answers = Guard(Addresses.of_environment()), Answers()
    answers.install()
    service_of("mailto://user:password@example.com")  # load what is loaded lazily while files can still be read
    sys.addaudithook(guard)
    answering.write(b"ready\n")
    for line in sys.stdin.buffer:
        answering.write(msgspec.json.encode(run(msgspec.json.decode(line, type=Errand), guard, answers)) + b"\n")


if __name__ == "__main__":
    main()
