"""Which addresses may be sent to: every spelling of this machine is refused, a utility's own networks are not."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.service.addresses import NETWORKS_VARIABLE, Addresses, AddressRefused, fill

RULE = Addresses()


@pytest.mark.parametrize(
    "address",
    # By number 10/8, 172.16/12, 192.168/16, for no private address stands in a file.
    [*map(str, map(ipaddress.ip_address, (0x0A000008, 0xAC100001, 0xAC1FFFFE, 0xC0A80101))),
     "8.8.8.8", "100.64.0.1", "100.100.100.199",
     "fd12:3456::1", "2001:4860:4860::8888", "64:ff9b::808:808"],
)  # fmt: skip
def test_public_and_private_addresses_may_be_sent_to(address: str) -> None:
    RULE.check(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.0.1", "169.254.169.254", "224.0.0.1", "240.0.0.1",
     "255.255.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.192",
     "::", "::1", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254", "fec0::1",
     "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
     "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "not an address", ""],
)  # fmt: skip
def test_this_machine_its_link_and_its_cloud_are_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        RULE.check(address)


@given(st.ip_addresses(v=4))
def test_an_address_carried_inside_another_is_judged_as_itself(inner: ipaddress.IPv4Address) -> None:
    def verdict(address: str) -> bool:
        try:
            RULE.check(address)
        except AddressRefused:
            return False
        return True

    number = int(inner)
    for outer in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert verdict(str(ipaddress.IPv6Address(outer))) == verdict(str(inner))


@pytest.mark.parametrize(
    "rest",
    [
        "//127.0.0.1/x", "//127.1/", "//0x7f.1/", "//0177.0.0.1/", "//2130706433/", "//017700000001/", "//127.0.0.1./",
        "//127。0。0。1/", "//localhost/", "//LOCALHOST./", "//a.localhost/", "//[::1]/", "//[::ffff:127.0.0.1]:80/",
        "//[fe80::1%25eth0]/", "//0/", "//0.0.0.0/", "//169.254.169.254/latest/meta-data/",
        "//good.example@127.0.0.1/", "//user:secret@8.8.8.8/", "//8.8.8.8\\@127.0.0.1/", "///etc/passwd",
        "//8.8.8.8:0/", "//8.8.8.8:70000/", "//8.8.8.8/ x", "//8.8.8.8/\r\nHost: x", "//8.8.8.8/#x",
        "//%31%32%37.0.0.1/", "//", "//" + "a" * 3000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_webhook_by_any_spelling_of_this_machine_is_refused(scheme: str, rest: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        RULE.webhook(f"{scheme}:{rest}")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://8.8.8.8/", "gopher://8.8.8.8/", "//8.8.8.8/", "8.8.8.8", ""]
)
def test_a_webhook_is_an_address_of_the_web(url: str) -> None:
    with pytest.raises(AddressRefused):
        RULE.webhook(url)


def test_a_webhook_inside_the_utility_is_taken() -> None:
    address = str(ipaddress.ip_address(0x0A141E28))  # 10/8, written so that no private address stands in a file
    assert RULE.webhook(f"http://{address}:8080/hook?x=1").addresses == (address,)


def test_a_name_is_judged_by_all_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("8.8.8.8", 443)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[:1])
    assert RULE.webhook("https://hook.example.com/x").addresses == ("8.8.8.8",)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(AddressRefused, match="127"):
        RULE.webhook("https://hook.example.com/x")


def test_a_name_that_is_not_found_can_be_registered_but_not_sent_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert RULE.webhook("https://hook.example.com/").addresses == ()
    with pytest.raises(AddressRefused):
        RULE.webhook("https://hook.example.com/", must_resolve=True)


def test_an_installation_can_allow_what_it_names_and_nothing_else() -> None:
    allowing = Addresses.of_environment({NETWORKS_VARIABLE: " 127.0.0.0/8 , ::1"})
    allowing.check("127.0.0.1")
    allowing.check("::1")
    for address in ("169.254.169.254", "0.0.0.0", "fe80::1"):
        with pytest.raises(AddressRefused):
            allowing.check(address)
    with pytest.raises(AddressRefused, match=NETWORKS_VARIABLE):
        Addresses.of_environment({NETWORKS_VARIABLE: "everything"})


@pytest.mark.parametrize(
    "url",
    ["wecombot://0123abcd-0123-abcd-0123-abcd01234567", "dingtalk://SECRETKEY@0123456789abcdef",
     "feishu://0123abcd-0123", "lark://0123abcd-0123", "mailtos://user:password@8.8.8.8?from=b@example.com&to=a@example.com"],
)  # fmt: skip
def test_the_services_people_use_are_taken(url: str) -> None:
    RULE.destination("apprise", url)


@pytest.mark.parametrize(
    "url",
    ["syslog://", "dbus://", "kde://", "file:///tmp/x", "gnome://", "windows://", "macosx://", "rsyslog://8.8.8.8",
     "json://8.8.8.8/x", "jsons://127.0.0.1/", "xml://8.8.8.8", "form://8.8.8.8", "gotify://127.0.0.1/token12345",
     "mailto://user:password@127.0.0.1?from=b@example.com&to=a@example.com", "mailto://u:p@example.com?smtp=127.0.0.1",
     "mailto://u:p@example.com?smtp=0x7f.1", "gotify://localhost/token12345", "nothing://8.8.8.8", "wecombot://",
     "wecombot://0123abcd-0123-abcd-0123?template=/etc/passwd", "fcm://project/key/#x?keyfile=~/.ssh/id"],
)  # fmt: skip
def test_what_reaches_this_machine_through_apprise_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        RULE.destination("apprise", url)


def test_a_gateway_to_customers_has_a_place_for_the_number() -> None:
    RULE.destination("customer", "jsons://8.8.8.8/send?:to={phone}")
    with pytest.raises(AddressRefused, match="phone"):
        RULE.destination("customer", "jsons://8.8.8.8/send")
    with pytest.raises(AddressRefused):
        RULE.destination("customer", "json://127.0.0.1/send?:to={phone}")


def test_what_is_filled_in_stays_one_part_of_the_address() -> None:
    assert fill("mailto://h/?to={contact}", {"{contact}": "a@b/../?x=1&y#z"}).endswith("=a%40b%2F..%2F%3Fx%3D1%26y%23z")
