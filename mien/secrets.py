"""Secrets in texts: passwords, keys and tokens are replaced by `***`, wherever they stand and whatever is in them.

The one home of this: addresses that are shown (`mien.address`), errors in one line (`mien.errors`) and everything that
is logged (`mien.logs`) come here. People write passwords with `@`, `/`, `#`, `?` and spaces into addresses, where only
the server that is called knows what was meant: in doubt, more is hidden than needed.
"""

from __future__ import annotations

import re

HIDDEN = "***"

# How names of parameters end that carry a secret. Short ones count only in an address.
_PLAIN_WORDS = (
    r"(?:pass(?:word|wd|wrd|wort|code|phrase)|pwd|psw|kennwort|token|secret|signature|credentials?|loginpass?"
    r"|api[-_]?key|access[-_]?key|private[-_]?key)"
)
_SHORT_WORDS = r"(?:pas(?:s|key)?|pw|key|sig|auth(?:orization)?|jwt|sas|sid|session|(?<![a-z])(?:pin|code|hash))"
_SUFFIX = r"(?:[-_.]?(?:id|key|hash|md5|\d+))?\]?"
_IS = r"(?:=|%3D)"
# Where a value ends: at the next parameter. Cameras that take parameters in the path divide them by `_` or `,`.
_NEXT = rf"(?:(?:&|%26|;)(?:amp;)?[a-z][\w.\[\]-]*{_IS}|[_,|][a-z][a-z0-9]*{_IS})"
_MEDIA = r"\.(?:jpe?g|jpe|jfif|png|webp|bmp|tiff?|gif|hei[cf]|avif|zip|tar|tgz|gz|bz2|xz|mp4|m4v|mov|mkv|webm|avi)"
_VALUE = rf"(?:(?!{_NEXT}|/[^/?#&=\s]*{_MEDIA}$|[?#][a-z][\w.-]*{_IS}).)*"
_VALUE_OF_A_FOLDER = rf"(?:(?!{_NEXT}|[/?#]).)*"
_FLAGS = re.IGNORECASE | re.DOTALL

_NAME = rf"(?:{_PLAIN_WORDS}|{_SHORT_WORDS}){_SUFFIX}"
_PARAMETER = re.compile(rf"({_NAME}{_IS}|{_PLAIN_WORDS}:)({_VALUE})", _FLAGS)
_PARAMETER_OF_A_FOLDER = re.compile(rf"({_NAME}{_IS})({_VALUE_OF_A_FOLDER})", _FLAGS)
_USER = re.compile(rf"((?<![a-z0-9])(?:\w*user(?:[-_]?name)?|usr|uid|login\w*|account|name|u){_IS})({_VALUE})", _FLAGS)
_PASSWORD_OF_A_USER = re.compile(rf"((?<=[?&;])p{_IS})({_VALUE})", _FLAGS)
# An address in an address: `?src=rtsp%3A%2F%2Fann%3Asecret%40host`.
_ENCODED = re.compile(r"(%(?:25)*3A(?:%(?:25)*2F){2})(?:(?!&).)*(%(?:25)*40)", _FLAGS)

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_FURTHER_SCHEME = re.compile(r"(?:(?<=::)|(?<=[\s=\"'(<\[{,;|]))([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/?#\s]*")
_HOST = r"(?:\[[0-9a-f:.%]+\]|[\w.*~-]*|arn:[\w:-]+|\{\w+\})(?::(?:\d{1,5}|\{\w+\}))?"
_IS_HOST = re.compile(_HOST, re.IGNORECASE)
_IS_HOST_AT_THE_END = re.compile(rf"{_HOST}[.,:;)\]'\">}}]*", re.IGNORECASE)
_LOOKS_LIKE_HOST = re.compile(
    r"(?:\[[0-9a-f:.]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::\d+)?(?=[/?#\s'\"]|$)", re.IGNORECASE
)
_LOOKS_LIKE_FILE = re.compile(rf"[^/@\s]*{_MEDIA}(?=[?#\s'\"]|$)", re.IGNORECASE)

# Names of files and keys of objects may hold an `@` here; elsewhere it is taken for the end of a password.
WEB = frozenset({"http", "https"})
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "hdfs", "memory"})
_WITH_NAMES = WEB | OBJECT_STORES | {"file", "local", "zip", "tar", "ftp", "sftp", "smb", "github"}

# In prose: `password=…`, `"token": "…"`, `?key=…`, `Authorization: …`, and `ann:secret@10.0.0.7` without a scheme.
_PROSE_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&,;)]+)"
_PROSE = re.compile(
    rf"((?:{_PLAIN_WORDS}{_SUFFIX}|(?<=[?&])\w*{_SHORT_WORDS}{_SUFFIX}){_IS}|[\"'][\w-]*{_PLAIN_WORDS}[\"']\s*:\s*)"
    rf"{_PROSE_VALUE}",
    re.IGNORECASE,
)
_PROSE_USER = re.compile(rf"((?<![a-z0-9])(?:user(?:_?name)?|usr|login\w*){_IS}){_PROSE_VALUE}", re.IGNORECASE)
_HEADER = re.compile(r"(authorization[\"']?\s*[:=]\s*[\"']?)(?:(?:basic|bearer|digest)\s+)?[^\s\"',]+", re.IGNORECASE)
_BARE = re.compile(r"[^\s:@/'\"=(\[]{0,64}:[^\s]{1,200}@(?=\[|localhost\b|[\w-]+(?:\.[\w-]+)+|[\w-]+[:/])")

_TOKEN = re.compile(r"\S*")
# A password or a value with a blank in it: what follows the blank still belongs to the address.
_SPILL = re.compile(rf"[ \t]+\S*(?:@|(?:&|%26)[\w.-]+{_IS})\S*", re.IGNORECASE)
_TRAILING = re.compile(r"[.,:;)\]'\">}]*\Z")


def scrubbed(text: str) -> str:
    """Return a text, such as a line of a log or a traceback, without the secrets of the addresses in it.

    >>> scrubbed("rtsp://ann:secret@10.0.0.7/live does not answer")
    'rtsp://***@10.0.0.7/live does not answer'
    """
    return "\n".join(map(_scrubbed_line, text.split("\n")))


def scrubbed_address(text: str, mark: str = f"{HIDDEN}@") -> str:
    """Return a text that is an address from end to end without its secrets; `mark` stands for user and password."""
    found = _SCHEME.search(text)
    if found is None:
        return scrubbed(text)
    shown = [text[: found.start()]]
    while found is not None:
        further = _FURTHER_SCHEME.search(text, found.end())
        rest = text[found.end() : further.start() if further else len(text)]
        shown += [found[0], _without_secrets(found[1].lower(), rest, mark)]
        found = further
    return "".join(shown)


def host_start(scheme: str, rest: str) -> int:
    """Return where the host begins in what follows `scheme://`: behind the `@` that may end a password, 0 without one.

    In doubt it is the last one.
    """
    at = rest.rfind("@")
    if at < 0:
        return 0
    authority, is_host = _authority(rest)
    first = rest.find("@")
    if "@" not in authority and is_host and not _may_be_password(scheme, authority, rest[at + 1 :]):
        return 0
    while at > first and _LOOKS_LIKE_FILE.match(rest, at + 1):  # …@2x.jpg is a name
        at = rest.rfind("@", 0, at)
    return at + 1


def is_credential(name: str) -> bool:
    """Say whether something of this name, such as `password` or `token`, is not to be shown."""
    return re.search(rf"{_PLAIN_WORDS}$", name, re.IGNORECASE) is not None


def _authority(rest: str) -> tuple[str, bool]:
    """Return what stands where user, host and port belong, and whether it can be a host and a port."""
    authority = _AUTHORITY.match(rest)
    text = authority[0] if authority else ""
    if len(text) == len(rest):
        return text, _IS_HOST_AT_THE_END.fullmatch(text) is not None
    return text, rest[len(text)] in "/?#" and _IS_HOST.fullmatch(text) is not None


def _may_be_password(scheme: str, authority: str, behind: str) -> bool:
    """Say whether `authority` may be the first part of a user and a password, with an `@` somewhere after it."""
    if scheme not in _WITH_NAMES:
        return bool(authority)
    if _LOOKS_LIKE_FILE.match(behind) or not _LOOKS_LIKE_HOST.match(behind):
        return False
    has_port = re.search(r"[^\]]:\d+$", authority) is not None
    return has_port or (scheme in WEB and "." not in authority and authority != "localhost" and authority[:1] != "[")


def _without_secrets(scheme: str, rest: str, mark: str) -> str:
    start = host_start(scheme, rest)
    if not start and "@" not in rest and not _authority(rest)[1]:
        return HIDDEN  # `ann:secret`, and the host was cut off
    shown = _ENCODED.sub(rf"\1{HIDDEN}\2", rest[start:])
    return (mark if start else "") + _without_parameters(scheme, shown)


def _without_parameters(scheme: str, text: str) -> str:
    if scheme in OBJECT_STORES:
        return _PARAMETER_OF_A_FOLDER.sub(rf"\1{HIDDEN}", text)
    shown, secrets = _PARAMETER.subn(rf"\1{HIDDEN}", text)
    if _USER.search(shown):
        shown, more = _PASSWORD_OF_A_USER.subn(rf"\1{HIDDEN}", shown)
        secrets += more
    return _USER.sub(rf"\1{HIDDEN}", shown) if secrets else shown


def _scrubbed_line(line: str) -> str:
    shown, position = [], 0
    found = _SCHEME.search(line)
    while found is not None:
        further = _FURTHER_SCHEME.search(line, found.end())
        end = _address_end(line, found.end(), further.start() if further else len(line))
        shown += [_scrubbed_prose(line[position : found.start()]), scrubbed_address(line[found.start() : end])]
        position = end
        found = _SCHEME.search(line, position)
    return "".join([*shown, _scrubbed_prose(line[position:])])


def _address_end(line: str, start: int, bound: int) -> int:
    """Return where an address in prose ends whose scheme ends at `start`; it is no further than `bound`."""
    end = _token_end(line, start, bound)
    if "@" not in line[start:end] and not _authority(line[start:end])[1]:
        end = _token_end(line, max(end, line.rfind("@", start, bound)), bound)
    while more := _SPILL.match(line, end, bound):
        end = more.end()
    trailing = _TRAILING.search(line, start, end)
    return trailing.start() if trailing else end


def _token_end(line: str, start: int, bound: int) -> int:
    token = _TOKEN.match(line, start, bound)
    return token.end() if token else start


def _scrubbed_prose(text: str) -> str:
    if "@" in text:
        text = _BARE.sub(f"{HIDDEN}@", text)
    if "uthorization" in text.lower():
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
    shown, secrets = _PROSE.subn(rf"\1{HIDDEN}", text)
    return _PROSE_USER.sub(rf"\1{HIDDEN}", shown) if secrets else shown
