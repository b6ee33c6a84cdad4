"""A connection to Redis or Valkey, and what its errors mean: wait, end, or see to what is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mien.address import Address
from mien.errors import BrokerRefused, BrokerUnavailable, SettingsError, line_of
from mien.settings import check_address

Verdict = Literal["passes", "stays", "stored"]
"""`passes`: trying again helps once the broker is well. `stays`: only a person can help. `stored`: about the data."""

# redis-py takes the first word off some answers and makes a class of it instead, and leaves it on all others.
_PASSING_CLASSES = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,  # and with it MASTERDOWN
    redis.exceptions.NoScriptError,  # gone between two tries: it is sent again with the next one
    redis.exceptions.InvalidResponse,
    redis.TimeoutError,
    OSError,
)
_STAYING_CLASSES = (
    redis.AuthenticationError,  # a ConnectionError for redis-py, as the next two
    redis.exceptions.AuthorizationError,
    redis.exceptions.ExternalAuthProviderError,
    redis.exceptions.AuthenticationWrongNumberOfArgsError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.ModuleError,
    redis.exceptions.AskError,  # and with it MOVED: a cluster, which mien does not speak to
    redis.exceptions.ClusterCrossSlotError,
)
_PASSING_WORDS = frozenset(
    {
        "OOM", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "NOSCRIPT", "MISCONF", "BUSY",
        "UNBLOCKED", "NOREPLICAS", "NOGROUP",
    }
)  # fmt: skip
_STAYING_WORDS = frozenset({"WRONGPASS", "NOAUTH", "NOPERM", "DENIED", "MOVED", "ASK", "CROSSSLOT", "NOPROTO"})
_PASSING_TEXTS = ("script killed by user", "max number of clients reached", "failover", "being loaded")
_STAYING_TEXTS = (
    "unknown command",
    "unknown subcommand",
    "wrong number of arguments",
    "syntax error",
    "acl failure in script",
    "db index",
    "this instance has cluster support",
)
# What a pipeline and a transaction put in front of the answer that it is about.
_AHEAD = re.compile(r"^.*(?:pipeline caused error: |Transaction discarded because of: )", re.DOTALL)


def connect(address: Address, role: Literal["bus", "jobs"]) -> redis.Redis:
    """Return a client for a broker; it connects with the first command.

    The client never sends a command a second time by itself: one whose answer was lost may have been carried out, and
    only the caller knows what to do then. Raises SettingsError when there is no address or it cannot be read.
    """
    try:
        return redis.Redis.from_url(
            check_address(address.to_open(), role),
            socket_timeout=5.0,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
    except ValueError as error:
        raise SettingsError(f"MIEN_{role.upper()}_URL '{address}' is not an address: {line_of(error)}") from None


@contextmanager
def broker_errors(address: Address | None) -> Iterator[None]:
    """Raise BrokerUnavailable for what can pass and BrokerRefused for what cannot; what is `stored` raises as it is."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        found = verdict(error)
        if found == "stored":
            raise
        where = "the broker" if address is None else f"the broker at {address}"
        if found == "stays":
            raise BrokerRefused(
                f"{where} refuses what mien asks: {line_of(error)}; check its address, the password, the rights of its"
                " user, and that it is Redis 6.2 or newer, or Valkey"
            ) from error
        does = "cannot do it now" if isinstance(error, redis.ResponseError) else "does not answer"
        raise BrokerUnavailable(f"{where} {does}: {line_of(error)}") from error


def verdict(error: Exception) -> Verdict:
    """Say what an error of a broker or of the way to it means; the one place where that is decided.

    >>> verdict(redis.ResponseError("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
    'passes'
    >>> verdict(redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"))
    'stored'
    """
    if isinstance(error, _STAYING_CLASSES):
        return "stays"
    if isinstance(error, (redis.ConnectionError, *_PASSING_CLASSES)):
        return "passes"
    if not isinstance(error, redis.ResponseError):
        return "stored"
    text = _AHEAD.sub("", str(error))
    word, lower = text.partition(" ")[0].removeprefix("-"), text.lower()
    if word in _PASSING_WORDS or any(each in lower for each in _PASSING_TEXTS):
        return "passes"
    if word in _STAYING_WORDS or any(each in lower for each in _STAYING_TEXTS):
        return "stays"
    return "stored"


def is_missing(error: redis.ResponseError) -> bool:
    """Say whether a stream, or its group, is not there: nobody made it yet, or the broker lost its data."""
    return "NOGROUP" in str(error) or "no such key" in str(error).lower()
