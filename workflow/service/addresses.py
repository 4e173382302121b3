"""Where messages may be sent: addresses of receivers, checked when registered and again when connected to.

Private networks (10/8, 172.16/12, 192.168/16, fc00::/7) are normal inside a utility and allowed.  Never allowed, unless
the installation names the network in `BAOZHUANG_RECEIVER_NETWORKS` (a comma-separated list such as `127.0.0.0/8,::1`):
this machine, link-local, multicast, unspecified and reserved addresses, and those where clouds answer questions about
the machine itself [D-DELIVERY].  A name is judged by every address it stands for, and the caller connects to an
address that was judged, not to the name again: a name that changes between check and use gains nothing.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import re
import socket
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2

if TYPE_CHECKING:
    from apprise import NotifyBase

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NETWORKS_VARIABLE = "BAOZHUANG_RECEIVER_NETWORKS"
"""The environment variable with networks that are allowed although they would not be; the same for `serve` and
`worker`."""

MOST_CHARACTERS = 2000

_CLOUD = tuple(
    ipaddress.ip_network(one)
    for one in (
        "169.254.0.0/16",  # link-local as well: most clouds
        "100.100.100.200/32",  # Alibaba Cloud, inside the range that carriers share
        "168.63.129.16/32",  # Azure
        "192.0.0.0/24",  # Oracle Cloud; reserved for protocols anyway
        "fd00:ec2::/32",  # Amazon, inside the private range
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

LOCAL_SCHEMES = frozenset(
    {"blink1", "dbus", "deltachat", "deltachats", "file", "gio", "glib", "gnome", "growl", "kde", "macosx", "qt",
     "rsyslog", "syslog", "windows"}
)  # fmt: skip
"""Services of Apprise that reach this machine, or send without hearing whether it arrived."""

GENERIC_SCHEMES = frozenset({"form", "forms", "json", "jsons", "xml", "xmls"})
"""Services of Apprise that post to any web address, unsigned: for a customer gateway of the utility's own; everybody
else gets a signed webhook."""

SAMPLES = {"{phone}": "13800000000", "{contact}": "someone@example.com"}
"""What stands in an address template, with a value to try it with."""


class AddressRefused(Exception):
    """An address that may not be used; `zh` and `en` say why and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en


class Judged(NamedTuple):
    """A web address with the numeric addresses its name stood for when it was judged; all of them are allowed."""

    url: httpx2.URL
    addresses: tuple[str, ...]


class Addresses:
    """Judges addresses. `allowed`: networks this installation allows beyond the rule."""

    def __init__(self, allowed: tuple[Network, ...] = ()) -> None:
        self.allowed = allowed

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Addresses:
        """As this installation is set up. Raises AddressRefused when the variable cannot be read."""
        text = environment.get(NETWORKS_VARIABLE, "")
        try:
            return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as error:
            raise AddressRefused(
                f"{NETWORKS_VARIABLE} 应为以逗号分隔的网段, 如 127.0.0.0/8,::1",
                f"{NETWORKS_VARIABLE} must be networks separated by commas, such as 127.0.0.0/8,::1",
            ) from error

    def check(self, address: str) -> None:
        """A numeric address that is to be connected to. Raises AddressRefused."""
        try:
            given = ipaddress.ip_address(address.partition("%")[0])
        except ValueError as error:
            raise AddressRefused(f"{address[:80]} 不是网络地址", f"{address[:80]} is no network address") from error
        for one in _meanings(given):
            why = _objection(one)
            if why is not None and not any(
                one in network for network in self.allowed if network.version == one.version
            ):
                zh, en = why
                raise AddressRefused(
                    f"不得向 {address} 发送: {zh}; 确有需要时由管理员在 {NETWORKS_VARIABLE} 中放行该网段",
                    f"nothing is sent to {address}: {en}; an administrator can allow it in {NETWORKS_VARIABLE}",
                )

    def webhook(self, text: str, *, must_resolve: bool = False) -> Judged:
        """A web address (http, https) of a receiver, judged by every address its name stands for now. A name that
        cannot be looked up passes with no addresses unless it `must_resolve`. Raises AddressRefused."""
        url = _web_address(text)
        host = url.raw_host.decode()
        numeric = self._spelt_properly(host)
        if numeric:
            return Judged(url, (host,))
        found = _look_up(host, url.port or (443 if url.scheme == "https" else 80))
        for address in found:
            self.check(address)
        if must_resolve and not found:
            raise AddressRefused(f"查不到主机 {host} 的地址", f"the name {host} cannot be looked up")
        return Judged(url, found)

    def apprise(self, text: str, *, generic: bool = False) -> None:
        """An Apprise address of a person, a group or (`generic`) a customer gateway; templates are tried with samples.
        Raises AddressRefused. The connection itself is judged where it is made (`workflow.alerts.channels.relay`)."""
        scheme = _plain(text).partition("://")[0].lower()
        if scheme in LOCAL_SCHEMES:
            raise AddressRefused(
                f"{scheme}:// 只到达本机或无法确认送达, 不能作为接收地址",
                f"{scheme}:// reaches only this machine or never says whether it arrived; it is no receiver",
            )
        if scheme in GENERIC_SCHEMES and not generic:
            raise AddressRefused(
                f"{scheme}:// 不带签名; 请登记为 webhook (http:// 或 https://)",
                f"{scheme}:// is not signed; register a webhook (http:// or https://) instead",
            )
        _no_local_files(text)
        service = service_of(fill(text, SAMPLES))
        for host in {str(host) for host in _hosts(service) if host}:
            bare = host.strip("[]")
            if not self._spelt_properly(bare):
                for address in _look_up(bare, service.port or 443):
                    self.check(address)

    def destination(self, kind: str, url: str) -> None:
        """The address of a destination of `kind` webhook, apprise or customer, as it is registered.
        Raises AddressRefused."""
        if kind == "webhook":
            self.webhook(url)
            return
        if kind == "customer" and "{phone}" not in url:
            raise AddressRefused(
                "客户通道的地址须含 {phone}, 发送时代入客户电话",
                "the address of a customer gateway must contain {phone}, where the customer's number goes",
            )
        self.apprise(url, generic=kind == "customer")

    def _spelt_properly(self, host: str) -> bool:
        """Whether `host` is a number rather than a name; judged when it is."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            # Octal, hexadecimal, one long number, fewer than four parts: what the system reads as an address.
            with contextlib.suppress(OSError):
                socket.inet_aton(host.rstrip("."))
                raise AddressRefused(
                    f"{host[:80]} 是网络地址的另一种写法; 请写成四段十进制数",
                    f"{host[:80]} is an unusual spelling of an address; write four decimal numbers",
                ) from None
            if "%" in host or ":" in host:
                raise AddressRefused(f"主机 {host[:80]} 无法辨认", f"the host {host[:80]} cannot be read") from None
            if host.rstrip(".").lower().rpartition(".")[2] == "localhost":
                self.check("127.0.0.1")  # by its meaning, whether it can be looked up or not
            return False
        self.check(host)
        return True


def fill(template: str, values: Mapping[str, str]) -> str:
    """The address with its places filled in; each value is percent-encoded, so that it stays one part of it."""
    for place, value in values.items():
        template = template.replace(place, quote(value, safe=""))
    return template


def service_of(text: str) -> NotifyBase:
    """The service that Apprise makes of an address. Raises AddressRefused when it makes none. The text carries secrets:
    it goes into no message."""
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        storage_mode="memory", http_redirects=False, pgp_autogen=False, pem_autogen=False, allow_templates=False
    )
    service: NotifyBase | None = apprise.Apprise.instantiate(text, asset=asset)
    if service is None:
        scheme = text.partition("://")[0][:20]
        raise AddressRefused(
            f"无法识别 {scheme}:// 接收地址; 写法见 Apprise 的说明, 例如 wecombot://密钥",
            f"the {scheme}:// address is not understood; Apprise describes how to write it, such as wecombot://KEY",
        )
    service.redirects = False
    return service


@functools.cache
def _apprise() -> Any:
    """The library with all its services: a hundred modules that most processes never need."""
    import apprise  # noqa: PLC0415  # as said

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that services use, and not ours to change
        services: Any = apprise.manager_plugins.NotificationManager
        services().load_modules()
    return apprise


def _plain(text: str) -> str:
    if len(text) > MOST_CHARACTERS or re.search(r"[\x00-\x20\x7f\\]", text) or "://" not in text:
        raise AddressRefused(
            "接收地址应形如 https://主机/路径, 不含空格、反斜杠或控制字符, 不超过 2000 字符",
            "an address looks like https://host/path, without blanks, backslashes or control characters, at most 2000",
        )
    return text


def _web_address(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(_plain(text))
    except httpx2.InvalidURL as error:
        raise AddressRefused("接收地址无法辨认", "the address cannot be read") from error
    if url.scheme not in ("http", "https"):
        raise AddressRefused(
            f"webhook 只能用 http:// 或 https://, 不能用 {url.scheme[:20]}:",
            f"a webhook is http:// or https://, not {url.scheme[:20]}:",
        )
    if not url.raw_host or url.userinfo or url.fragment or not 0 < (443 if url.port is None else url.port) < 65536:
        raise AddressRefused(
            "接收地址须有主机名, 不含用户名、密码和 #; 身份由签名证明",
            "an address needs a host and no user, password or #: the signature proves who sends",
        )
    return url


def _no_local_files(text: str) -> None:
    """Some services take certificates, keys or templates from paths named in the address."""
    for name, value in parse_qsl(urlsplit(text).query):
        if value.startswith(("/", "~", ".", "file:")):
            raise AddressRefused(
                f"接收地址的参数 {name[:40]} 指向本机文件",
                f"the parameter {name[:40]} of the address names a local file",
            )


def _hosts(service: NotifyBase) -> tuple[object, ...]:
    """The hosts that an Apprise address names; none where the service knows its own."""
    templates: tuple[str, ...] = service.templates
    named = any("{host}" in template for template in templates)
    return (service.host if named else None, getattr(service, "smtp_host", None))


def _look_up(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def _meanings(address: Address) -> list[Address]:
    """The address, and the IPv4 address it carries inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside: list[ipaddress.IPv4Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address.teredo is not None:
        inside.extend(address.teredo)
    # Above all zeros only the unspecified address and loopback are themselves; the rest stand for IPv4.
    if address in _NAT64 or 1 < int(address) < 2**32:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    carried: list[Address] = [one for one in inside if one is not None]
    return [address, *carried] if address.ipv4_mapped is None else carried


def _objection(address: Address) -> tuple[str, str] | None:
    if any(address in network for network in _CLOUD if network.version == address.version):
        return "云平台元数据或链路本地地址", "it answers about the machine itself (cloud metadata, link-local)"
    if address.is_loopback:
        return "本机回环地址", "it is this machine (loopback)"
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        return None  # what it carries is judged
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    this_network = isinstance(address, ipaddress.IPv4Address) and int(address) >> 24 == 0
    if (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or site_local
        or this_network
    ):
        return "链路本地、组播、未指定或保留地址", "it is link-local, multicast, unspecified or reserved"
    return None
