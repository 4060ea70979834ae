"""Group robots, a webhook and a mail server on this machine: they keep the platforms' rules, or misbehave.

Each place of the server stands for one channel: it checks signature, size and rate as the platform's
documentation says, keeps what it accepted, and first works off the misbehaviour it was given.
"""

from __future__ import annotations

import base64
import hmac
import json
import socketserver
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PER_MINUTE = {"wecom": 20, "dingtalk": 20, "feishu": 100, "webhook": 10_000}
SECRET = "SEC-of-the-stand-in"  # signs what DingTalk, Feishu and webhooks are sent
Answer = tuple[int, dict[str, str], Any]


@dataclass(frozen=True)
class Message:
    """What a place accepted: the stable id, the body, and when (by the product's and by the real clock)."""

    id: str
    body: dict[str, Any]
    at: float
    arrived: float

    @property
    def text(self) -> str:
        """Everything a person reads."""
        return json.dumps(self.body, ensure_ascii=False)


@dataclass
class Place:
    """One channel's other end. `moods` are worked off one a request, the last one stays."""

    kind: str
    moods: list[str] = field(default_factory=list)
    accepted: list[Message] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)  # when requests came, by the real clock

    @property
    def requests(self) -> int:
        """How many requests came, accepted or not."""
        return len(self.asked)


class Robots:
    """The server; `now` is the clock by which it counts messages a minute."""

    def __init__(self, now: Callable[[], float] = time.time, tls: ssl.SSLContext | None = None) -> None:
        self.now = now
        self._scheme = "http" if tls is None else "https"
        self.places: dict[str, Place] = {}
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.robots = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def open(self, kind: str, name: str, *moods: str, host: str = "127.0.0.1") -> str:
        """A place for a channel; returns the address to store."""
        self.places[name] = Place(kind, list(moods))
        return f"{self._scheme}://{host}:{self._server.server_port}/{name}?access_token=t"

    def close(self) -> None:
        """End the server and every request that hangs."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def mood_of(self, place: Place) -> str:
        """How a place takes the request at hand."""
        with self._lock:
            place.asked.append(time.monotonic())
            if not place.moods:
                return "fine"
            return place.moods.pop(0) if len(place.moods) > 1 else place.moods[0]

    def take(self, place: Place, path: str, headers: dict[str, str], raw: bytes) -> Answer:
        """The platform's answer to a message; what it accepts is kept."""
        with self._lock:
            body = json.loads(raw)
            now = self.now()
            recent = [message for message in place.accepted if message.at > now - 60]
            complaint = _complaint(place.kind, path, headers, raw, body, len(recent))
            if complaint:
                place.complaints.append(complaint)
                return 200, {}, _told(place.kind, 130101 if complaint == "rate" else 310000)
            place.accepted.append(Message(headers["idempotency-key"], body, now, time.monotonic()))
            return 200, {}, _told(place.kind, 0)


def _told(kind: str, code: int) -> dict[str, Any]:
    return {"code" if kind == "feishu" else "errcode": code, "errmsg": "ok"}


def _complaint(
    kind: str, path: str, headers: dict[str, str], raw: bytes, body: dict[str, Any], recent: int
) -> str:
    if recent >= PER_MINUTE[kind]:
        return "rate"
    if len(raw) > 20_000:
        return "size"
    return _CHECKS[kind](path, headers, raw, body)


def _wecom(_path: str, _headers: dict[str, str], _raw: bytes, body: dict[str, Any]) -> str:
    content = body[body["msgtype"]]["content"].encode()
    return "" if len(content) <= {"text": 2048, "markdown": 4096}[body["msgtype"]] else "size"


def _dingtalk(path: str, _headers: dict[str, str], _raw: bytes, body: dict[str, Any]) -> str:
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    mark = _hmac(SECRET, f"{query['timestamp']}\n{SECRET}")
    fresh = abs(time.time() * 1000 - int(query["timestamp"])) < 3_600_000
    good = fresh and query["access_token"] == "t" and query["sign"] == base64.b64encode(mark).decode()
    return "" if good and body["markdown"]["title"] and body["markdown"]["text"] else "signature"


def _feishu(_path: str, _headers: dict[str, str], _raw: bytes, body: dict[str, Any]) -> str:
    mark = _hmac(f"{body['timestamp']}\n{SECRET}", "")
    return "" if body["sign"] == base64.b64encode(mark).decode() else "signature"


def _webhook(_path: str, headers: dict[str, str], raw: bytes, body: dict[str, Any]) -> str:
    parts = dict(part.split("=", 1) for part in headers["desk-signature"].split(","))
    mark = _hmac(SECRET, f"{parts['t']}.{raw.decode()}").hex()
    fresh = abs(time.time() - int(parts["t"])) < 300
    return "" if fresh and parts["v1"] == mark and body["id"] == headers["idempotency-key"] else "signature"


def _hmac(key: str, message: str) -> bytes:
    return hmac.digest(key.encode(), message.encode(), "sha256")


_CHECKS = {"wecom": _wecom, "dingtalk": _dingtalk, "feishu": _feishu, "webhook": _webhook}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100
    robots: Robots


class _Handler(BaseHTTPRequestHandler):
    moods: ClassVar[dict[str, Answer]] = {
        "500": (500, {}, {"error": "internal"}),
        "429": (429, {"retry-after": "90"}, {}),
        "410": (410, {}, {}),
        "redirect": (302, {"location": "http://127.0.0.1:1/elsewhere"}, {}),
        "errcode": (200, {}, {"errcode": -1, "errmsg": "system busy"}),
        "nonsense": (200, {}, "captive portal"),
    }

    def do_POST(self) -> None:
        """One message."""
        robots = self.server.robots  # type: ignore[attr-defined]
        place = robots.places[urlsplit(self.path).path.strip("/")]
        mood = robots.mood_of(place)
        with suppress(ConnectionError):
            if mood == "silent":  # took the connection, and nothing of the message
                robots.released.wait(60)
                return
            raw = self.rfile.read(int(self.headers["content-length"]))
            if mood == "drip":
                self._drip(robots)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = self.moods.get(mood) or robots.take(place, self.path, headers, raw)
            if mood == "taken":  # took the message, and its answer never arrives
                robots.released.wait(60)
                return
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        status, headers, value = answer
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, robots: Robots) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nx-padding: " + b"x" * 10_000:
            self.wfile.write(bytes([letter]))
            if robots.released.wait(0.2):
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the base class)
        """Says nothing."""


class MailServer:
    """Takes letters over SMTP with TLS from the first byte: recipients and raw text of each."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.letters: list[tuple[list[str], str]] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._serve)
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"smtps://desk@localhost:{self._server.server_address[1]}"

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: Any, _client: Any, _server: Any) -> None:
        lines = request.makefile("rb")
        replies = defaultdict(lambda: "250 ok", AUTH="235 ok", DATA="354 go on", QUIT="221 bye")
        request.sendall(b"220 stand-in\r\n")
        to: list[str] = []
        for line in iter(lines.readline, b""):
            word, _, rest = line.decode().strip().partition(" ")
            if word == "RCPT":
                to.append(rest.partition("<")[2].rstrip(">"))
            request.sendall(f"{replies[word]}\r\n".encode())
            if word == "DATA":
                text = b"".join(iter(lines.readline, b".\r\n")).decode()
                self.letters.append((to, text))
                request.sendall(b"250 queued\r\n")
            elif word == "QUIT":
                return


def certificate_for_localhost(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for a server named localhost (and for no other name), and the authority that vouches for it."""
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _named("stand-in authority")
    is_authority = x509.BasicConstraints(ca=True, path_length=None)
    name = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    files = {
        "authority.pem": _certificate(issuer, issuer, authority, is_authority, authority),
        "server.pem": _certificate(_named("stand-in"), issuer, own, name, authority),
        "key.pem": own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for file, content in files.items():
        (folder / file).write_bytes(content)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem", folder / "key.pem")
    return tls, folder / "authority.pem"


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
    signer: ec.EllipticCurvePrivateKey,
) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
