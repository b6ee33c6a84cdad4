"""A connection to Redis or Valkey, and the one error it can have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mien.errors import BrokerUnavailable, SettingsError
from mien.logs import without_password
from mien.settings import check_address

# How answers begin that a broker gives while its disk is full, its memory is full, or it is no leader any more.
_REFUSALS = ("MISCONF ", "OOM ", "READONLY ", "MASTERDOWN ")


def connect(url: str, role: Literal["bus", "jobs"]) -> redis.Redis:
    """Return a client for `url`; it connects with the first command.

    Nothing is sent twice behind our back: a command whose answer was lost may have been carried out, and each
    caller knows best what to do then. Raises SettingsError when there is no address or it cannot be read.
    """
    try:
        return redis.Redis.from_url(
            check_address(url, role),
            socket_timeout=5.0,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
    except ValueError as error:
        raise SettingsError(f"MIEN_{role.upper()}_URL {without_password(url)!r} is not an address: {error}") from None


@contextmanager
def broker_errors(url: str) -> Iterator[None]:
    """Turn every way in which a broker can be away into BrokerUnavailable."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError, OSError) as error:
        if isinstance(error, redis.ResponseError) and not refuses_writes(error):
            raise
        detail = " ".join(str(error).split()) or type(error).__name__
        raise BrokerUnavailable(
            f"the broker at {without_password(url)} does not answer: {without_password(detail)}"
        ) from error


def refuses_writes(error: redis.ResponseError) -> bool:
    """Say whether a broker takes nothing at the moment: its disk or its memory is full, or it is a replica."""
    return isinstance(error, redis.exceptions.OutOfMemoryError) or any(word in str(error) for word in _REFUSALS)
