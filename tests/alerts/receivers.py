"""Real receivers on loopback: a web server that answers as it is told to, a mail server, and what they received."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

LOOPBACK = "127.0.0.0/8,::1/128"
"""What the installation under test allows."""


class Received(NamedTuple):
    """One request: its path, headers (lower case) and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The delivery id."""
        return self.headers.get("webhook-id", "")

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver:
    """A web server on loopback. The first part of the path says how it answers: /ok, /500, /410, /429, /redirect,
    /hang, /drip (headers without end), /endless (a body without end); `mode` overrides it for every path."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.mode: str | None = None
        self.delay = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender was killed in the middle of it: nothing was received
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._lock:
                    receiver.received.append(Received(self.path, headers, body))
                time.sleep(receiver.delay)
                receiver._answer(self, receiver.mode or self.path.split("/")[1].partition("?")[0])

            do_GET = do_POST  # noqa: N815  # the server looks it up by this name

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None: ...  # a sender that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def counts(self) -> Counter[str]:
        """How often each delivery id came."""
        with self._lock:
            return Counter(one.id for one in self.received)

    def close(self) -> None:
        """Stop listening: whoever connects is turned away."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, mode: str) -> None:
        if mode == "hang":
            self._closing.wait(30)
            return
        if mode == "drip":
            request.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self._closing.wait(0.05):
                request.wfile.write(b"x-drip: 1\r\n")
            return
        if mode == "endless":
            request.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
            while not self._closing.is_set():
                request.wfile.write(b"x" * 4096)
            return
        status = {"ok": 200, "redirect": 302}.get(mode) or int(mode)
        answer = b"taken" if status == 200 else b""
        request.send_response(status)
        if status == 302:
            request.send_header("location", f"{self.url}/ok/elsewhere")
        if status in (429, 503):
            request.send_header("retry-after", "120")
        request.send_header("content-length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)


class MailServer:
    """As much of SMTP as a sender needs; keeps what it was sent."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        mails = self.mails

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 loopback\r\n")
                while line := self.rfile.readline():
                    word = line[:4].upper()
                    if word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    one = Receiver()
    try:
        yield one
    finally:
        one.close()
