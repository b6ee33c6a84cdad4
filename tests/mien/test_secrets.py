"""Secrets are hidden wherever they stand in an address and whatever is in them, and what is no secret stays."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable

import pytest

from mien.address import Address
from mien.errors import line_of
from mien.logs import without_password
from mien.secrets import scrubbed, scrubbed_address

PASSWORDS = (
    "S3cr@et", "S3cr/et", "S3cr et", "S3cr#et", "S3cr?et", "S3cr:et", "S3cr&et", "S3cr%40et", "S3c@r/e@t",
    "[S3cr]et", "S3cr\\et", "S3cr'et", "S3crét", "/S3cret", "@S3cret", "#S3cret", "S3cret/", "12/S3cret", "12?S3cret",
    "S3cr?e#t@/x",
)  # fmt: skip
IN_USERINFO = tuple(
    f"{scheme}://{user}:{password}@{rest}"
    for (scheme, user, rest), password in itertools.product(
        (
            ("rtsp", "admin", "10.0.0.7/live"),
            ("rtsps", "admin", "cam:322/"),
            ("http", "adm", "10.0.0.7:8080/video.mjpg?x=1"),
            ("https", "ann", "example.org/a.jpg"),
            ("redis", "", "bus:6379/0"),
            ("rediss", "ann", "bus.example.org"),
            ("s3", "AKIAS3cr", "bucket/a.jpg"),
            ("ftp", "ann", "example.org/a.jpg"),
            ("unix", "ann", "/run/broker.sock?db=1"),
        ),
        PASSWORDS,
    )
)
NAMES = (
    "password", "passwd", "Password", "PASS", "pwd", "pw", "loginpas", "userpwd", "admin_pass", "token", "access_token",
    "key", "api_key", "apikey", "X-Api-Key", "secret", "client_secret", "auth", "sig", "signature", "X-Amz-Signature",
    "X-Amz-Security-Token", "X-Amz-Credential", "AWSAccessKeyId", "auth[pw]", "password2",
)  # fmt: skip
IN_PARAMETERS = tuple(
    form.format(name=name, value=value)
    for form, name, value in itertools.product(
        (
            "rtsp://10.0.0.7/live?user=S3cruser&{name}={value}",
            "rtsp://10.0.0.7/live?{name}={value}&channel=1",
            "http://10.0.0.7/snapshot.cgi?channel=1&{name}={value}&user=S3cruser",
            "https://example.org/a.jpg#{name}={value}",
            "rtsp://10.0.0.7:554/user=S3cruser&{name}={value}&channel=1&stream=0.sdp",
            "s3://bucket/a.jpg?{name}={value}",
            "redis://bus:6379/0?{name}={value}",
        ),
        NAMES,
        ("S3cret", "S3cr%2Fet"),
    )
) + tuple(
    form.format(value=value)
    for form, value in itertools.product(
        (
            "rtsp://10.0.0.7/live?user=admin&password={value}",
            "rtsp://10.0.0.7/live?user=admin&password={value}&channel=1",
            "rtsp://10.0.0.7:554/user=admin_password={value}_channel=1_stream=0.sdp",
            "rtsp://10.0.0.7:554/user=admin&password={value}&channel=1&stream=0.sdp?",
        ),
        ("S3cr/et", "S3cr#et", "S3cr@et", "S3cr_et", "S3cr et", "S3cr&et", "S3cr=et"),
    )
)
ELSEWHERE = (
    "http://10.0.0.7/snapshot.cgi?loginuse=S3cruser&loginpas=S3cret",
    "http://10.0.0.7/axis-cgi/mjpg/video.cgi?u=S3cruser&p=S3cret",
    "http://relay:1984/stream.mjpeg?src=rtsp%3A%2F%2Fadmin%3AS3cr%2Fet%4010.0.0.7%2Flive",
    "http://relay:1984/stream.mjpeg?src=rtsp://admin:S3cr/et@10.0.0.7/live",
    "zip://a.jpg::https://ann:S3cr/et@example.org/p.zip?signature=S3cret",
    "simplecache::https://ann:S3cr/et@example.org/p.jpg?sig=S3cret",
    "https://S3cret@example.org/a.jpg",
    "https://S3cr/et@10.0.0.7/a.jpg",
    "rtsp://admin:S3cret",  # cut off
    "admin:S3cret@10.0.0.7/live",  # the scheme was forgotten
    "rtsp:/admin:S3cr/et@10.0.0.7/live",
    "10.0.0.7/live?user=S3cruser&password=S3cret",
)
WAYS = (Address.of_camera, Address.of_input, Address.of_broker, Address.of_program)
SECRET = (*IN_USERINFO, *IN_PARAMETERS, *ELSEWHERE)


def tells(text: str) -> str:
    """Return what of a secret is in a text."""
    parts = ("S3c", "cret", "r@et", "r/et", "r et", "r_et", "r&et", "r#et", "r?et", "cr%2Fet", "crét", "e@t", "AKIA")
    return next((part for part in parts if part in text.replace("secret=", "")), "")


@pytest.mark.parametrize("shown", [scrubbed_address, *(lambda text, of=of: of(text).shown for of in WAYS)])
def test_no_part_of_a_secret_is_shown(shown: Callable[[str], str]) -> None:
    assert {address: shown(address) for address in SECRET if tells(shown(address))} == {}


@pytest.mark.parametrize(
    "sentence", ["{} does not answer", "cannot open '{}' (no route).\nsecond line: {}", "{}: 404, and then:{}"]
)
@pytest.mark.parametrize("told", [scrubbed, without_password, line_of, lambda text: line_of(ValueError(text))])
def test_no_part_of_a_secret_is_in_a_line_of_a_log_or_an_error(told: Callable[[str], str], sentence: str) -> None:
    texts = [sentence.format(address, address) for address in SECRET]
    assert {text: told(text) for text in texts if tells(told(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/dir/a@2x.jpg",
        "https://host:8080/a@2x.jpg",
        "s3://bucket/dir@2/a@2x.jpg",
        "s3://arn:aws:s3:us-west-2:123:accesspoint/x/a.jpg",
        "unix:///tmp/x@y/broker.sock",
        "http://[::1]:8000/x",
        "rtsp://[fe80::1]:554/live?channel=1&subtype=0&keyframe=1",
        "rtsp://10.0.0.7/live?user=ann&channel=1",
        "the broker at redis://bus:6379 does not answer: Error 111 connecting to bus:6379. Connection refused.",
        "mien is at http://127.0.0.1:8000).",
        'f"http://{host}:{port}/x"',
        "mail me@example.org",
        "the token of this request is missing",
        "token = request.headers",
        "/pictures/a@2x.jpg",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrubbed(text) == text


def test_what_stands_beside_a_secret_stays() -> None:
    assert scrubbed("open rtsp://me:S3cret@10.0.0.7/live?x=1 now") == "open rtsp://***@10.0.0.7/live?x=1 now"
    assert scrubbed("redis://:pw@bus:6379/0") == "redis://***@bus:6379/0"
    shown = "rtsp://10.0.0.7:554/user=***_password=***_channel=1_stream=0.sdp"
    assert scrubbed("rtsp://10.0.0.7:554/user=me_password=S3cr_et_channel=1_stream=0.sdp") == shown
    assert scrubbed("https://example.org/token=S3cret/a.jpg") == "https://example.org/token=***/a.jpg"
    assert scrubbed("s3://AKIA:S3cr/et@bucket/a@2x.jpg") == "s3://***@bucket/a@2x.jpg"
    assert scrubbed("{'password': 'S3cret', 'a': 1}") == "{'password': ***, 'a': 1}"
    assert scrubbed("Authorization: Basic UzNjcmV0, then") == "Authorization: ***, then"


@pytest.mark.parametrize(
    "part", ["a:", "x://", "password=", "a@", "_a=", "&a=", "zip://a::", "rtsp://a:b", "//a:b@c ", "é "]
)
def test_a_long_text_takes_no_longer_than_its_length(part: str) -> None:
    began_s = time.monotonic()
    scrubbed(part * (50_000 // len(part)))
    scrubbed_address("rtsp://" + part * (50_000 // len(part)))
    assert time.monotonic() - began_s < 10


def test_an_error_is_one_line_that_is_never_empty_nor_endless() -> None:
    assert line_of(ValueError("no\n  such\tthing")) == "no such thing"
    assert line_of(ValueError("")) == line_of(ValueError(" \n ")) == "ValueError"
    assert line_of(MemoryError()) == "MemoryError"
    assert line_of("") == "no reason was given"
    assert len(line_of(ValueError("x" * 9999))) == 1000
    assert line_of(ValueError("x" * 9999), 20) == "x" * 19 + "…"
    assert json.dumps(line_of(ValueError("rtsp://me:S3cr/et@10.0.0.7/live"))) == '"rtsp://***@10.0.0.7/live"'
