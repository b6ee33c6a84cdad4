"""An address is parsed once, and gives its secrets to whom asks for them by name, and to nobody else."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from mien.address import Address, AddressKind, archive_kind
from mien.bus.broker import broker_errors, connect
from mien.errors import BrokerUnavailable, SettingsError
from mien.inputs.input import Input
from mien.settings import Settings, check_camera_name, load_settings

SECRET = "rtsp://admin:S3cr/et@10.0.0.7/live"


@dataclass(frozen=True)
class Holder:
    """A value that holds an address."""

    address: Address
    others: tuple[Address, ...] = ()


def test_nothing_that_makes_text_of_an_address_shows_its_secrets() -> None:
    address = Address.of_camera(SECRET)
    texts = (
        str(address),
        repr(address),
        f"{address}",
        f"{address!r:>60}",
        f"{address:>60}",
        "%s %r" % (address, address),  # noqa: UP031  # that is the point
        repr([address]),
        repr({address: address}),
        repr(Holder(address, (address,))),
        str(asdict(Holder(address, (address,)))),
        json.dumps({"address": address}, default=str),
        json.dumps([address], default=repr),
        str(ValueError(address)),
        repr(Input(address, "a.jpg")),
        repr(copy.deepcopy(address)),
        repr(copy.copy(address)),
        repr(vars(Holder(address))),
    )
    assert [text for text in texts if "S3c" in text or "cr/et" in text] == []
    assert not hasattr(address, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(address)
    with pytest.raises(TypeError):
        json.dumps(address)
    assert address.secret() == SECRET


def test_an_address_does_not_change_and_is_equal_by_what_was_written() -> None:
    address = Address.of_camera(SECRET)
    with pytest.raises(AttributeError):
        address.kind = AddressKind.PATH
    with pytest.raises(AttributeError):
        del address.scheme
    other = Address.of_camera(SECRET.replace("S3cr", "other"))
    assert (address.shown, address == other) == (other.shown, False)
    assert {address, Address.of_camera(f" {SECRET} ")} == {address}
    assert Address.of_path("0") != Address.of_camera("0")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", AddressKind.WEBCAM),
        ("/dev/video2", AddressKind.WEBCAM),
        ("film.mp4", AddressKind.PATH),
        ("~/pictures", AddressKind.PATH),
        ("a::b.mp4", AddressKind.PATH),
        ("file:///a.mp4", AddressKind.PATH),
        ("RTSP://10.0.0.7/live", AddressKind.RTSP),
        ("rtsps://10.0.0.7/live", AddressKind.RTSP),
        ("https://10.0.0.7/live", AddressKind.HTTP),
        ("test://pattern", AddressKind.TEST),
        ("demo://", AddressKind.DEMO),
        ("gopher://10.0.0.7", AddressKind.UNKNOWN),
    ],
)
def test_what_a_camera_is_made_of(text: str, kind: AddressKind) -> None:
    assert Address.of_camera(text).kind is kind


def test_a_path_and_a_number_come_out_as_what_they_are() -> None:
    assert Address.of_camera("/dev/video12").number == 12
    assert Address.of_camera("file:///a%20b%23.mp4").path == Path("/a b#.mp4")
    assert Address.of_camera("file://localhost/a.mp4").path == Path("/a.mp4")
    assert Address.of_input("/a#b?.jpg").path == Path("/a#b?.jpg")
    for wrong in (Address.of_camera(SECRET), Address.of_camera("0")):
        with pytest.raises(ValueError, match="is not a path") as caught:
            _ = wrong.path
        assert "S3c" not in str(caught.value)


def test_a_member_of_an_archive_keeps_name_and_archive_apart() -> None:
    outer = Address.of_input("https://ann:S3cret@example.org/p.zip?sig=S3cret")
    member = Address.of_member("zip", "../a:%::b.jpg", outer)
    again = Address.of_input(member.secret())
    assert again == member
    assert (again.name, again.archive, again.kind) == ("../a:%::b.jpg", outer, AddressKind.MEMBER)
    assert (again.shown, again.stem) == ("https://example.org/p.zip/(..)/a:%::b.jpg", "a:%::b")
    assert again.is_here
    assert Address.of_member("zip", "", outer).shown == "https://example.org/p.zip"
    moved = Address.of_member("tar", "x::y", Address.of_path("/link.tar")).moved_to(Path("/real.tar"))
    assert (moved.name, str(moved), moved.scheme) == ("x::y", "/real.tar/x::y", "tar")
    assert [archive_kind(name) for name in ("A.ZIP", "b.tar.gz", "c.jpg")] == ["zip", "tar", None]


@pytest.mark.parametrize(
    ("text", "opened", "credentials"),
    [
        ("rtsp://admin:S3cr/et@10.0.0.7/live", "rtsp://admin:S3cr%2Fet@10.0.0.7/live", ("admin", "S3cr/et")),
        ("rtsp://admin:S3cr@et@10.0.0.7/live", "rtsp://admin:S3cr%40et@10.0.0.7/live", ("admin", "S3cr@et")),
        ("rtsp://admin:S3 c#r?@10.0.0.7/live", "rtsp://admin:S3%20c%23r%3F@10.0.0.7/live", ("admin", "S3 c#r?")),
        ("rtsp://admin:S3cr%40et@10.0.0.7/live", "rtsp://admin:S3cr%40et@10.0.0.7/live", ("admin", "S3cr@et")),
        ("rtsp://admin:50%off!@10.0.0.7/live", "rtsp://admin:50%off!@10.0.0.7/live", ("admin", "50%off!")),
        ("http://admin@10.0.0.7/live@2", "http://admin@10.0.0.7/live@2", ("admin", "")),
        ("rtsp://10.0.0.7:554/live@2", "rtsp://10.0.0.7:554/live@2", None),
        ("rtsp://[::1]:554/live@2", "rtsp://[::1]:554/live@2", None),
    ],
)
def test_a_password_is_opened_as_it_was_meant(text: str, opened: str, credentials: tuple[str, str] | None) -> None:
    address = Address.of_camera(text)
    assert address.to_open() == opened
    assert address.credentials() == credentials
    bare = address.without_credentials()
    assert bare.credentials() is None
    assert bare.to_open().startswith(("rtsp://10.0.0.7", "http://10.0.0.7", "rtsp://[::1]"))


def test_an_input_is_stored_as_it_was_written_and_read_back() -> None:
    item = Input.of("https://ann:S3cr/et@example.org/a.jpg?sig=S3cret", "https://example.org/a.jpg")
    assert b"ann:S3cr/et@example.org/a.jpg?sig=S3cret" in item.to_line()
    assert Input.from_line(item.to_line()) == item


@pytest.mark.parametrize("password", ["S3cr/et", "S3cr@et", "S3cr#et", "S3cret"])
def test_a_broker_that_is_away_or_misspelt_is_named_without_its_password(password: str) -> None:
    address = Address.of_broker(f"redis://ann:{password}@127.0.0.1:9/0")
    with connect(address, "bus") as client:
        assert client.connection_pool.connection_kwargs["password"] == password
        with pytest.raises(BrokerUnavailable) as away, broker_errors(address):
            client.ping()
    with pytest.raises(SettingsError) as wrong:
        connect(Address.of_broker(f"http://ann:{password}@127.0.0.1:9/0"), "bus")
    with pytest.raises(SettingsError) as port:
        connect(Address.of_broker(f"redis://ann:{password}@127.0.0.1:port/0"), "bus")
    for caught in (away, wrong, port):
        assert "S3c" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)


def test_settings_do_not_show_passwords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(bus_url="redis://:S3cret@bus", jobs_url="redis://:S3cret@jobs")
    assert "S3c" not in f"{settings} {settings!r}"
    monkeypatch.setenv("MIEN_PORT", "redis://:S3cr/et@bus")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "S3c" not in str(caught.value)
    with pytest.raises(SettingsError) as name:
        check_camera_name("rtsp://admin:S3")  # of --camera rtsp://admin:S3=cret@10.0.0.7/live
    assert "S3" not in str(name.value)
