"""A connection to Redis or Valkey, and the one error it can have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mien.address import Address
from mien.errors import BrokerUnavailable, SettingsError, line_of
from mien.settings import check_address

# How a broker's answers begin while its disk is full, its memory is full, or it has become a replica.
_REFUSALS = ("MISCONF ", "OOM ", "READONLY ", "MASTERDOWN ")


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
def broker_errors(address: Address) -> Iterator[None]:
    """Raise BrokerUnavailable for every error that means that the broker cannot be used."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError, OSError) as error:
        if isinstance(error, redis.ResponseError) and not refuses_writes(error):
            raise
        raise BrokerUnavailable(f"the broker at {address} does not answer: {line_of(error)}") from error


def refuses_writes(error: redis.ResponseError) -> bool:
    """Say whether a broker takes nothing at the moment: its disk or its memory is full, or it is a replica."""
    return isinstance(error, redis.exceptions.OutOfMemoryError) or any(word in str(error) for word in _REFUSALS)
