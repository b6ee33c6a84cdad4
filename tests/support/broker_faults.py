"""What brokers do to their clients, done to a real one; each can pass, and ends with the context."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import redis

from tests.support.heartbeats import kept_up
from tests.support.waiting import wait_until

Fault = Callable[[redis.Redis], AbstractContextManager[None]]


@contextmanager
def read_only(admin: redis.Redis) -> Iterator[None]:
    """READONLY: it has become a replica, as after a fail-over."""
    _do(admin, "REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        _do(admin, "REPLICAOF", "NO", "ONE")


@contextmanager
def master_down(admin: redis.Redis) -> Iterator[None]:
    """MASTERDOWN: a replica that does not answer with what may be old."""
    with _configured(admin, "replica-serve-stale-data", "no", "yes"), read_only(admin):
        yield


@contextmanager
def out_of_memory(admin: redis.Redis) -> Iterator[None]:
    """OOM: its memory is full."""
    with _configured(admin, "maxmemory", "1", "512mb"):
        yield


@contextmanager
def no_replicas(admin: redis.Redis) -> Iterator[None]:
    """NOREPLICAS: too few replicas for a write."""
    with _configured(admin, "min-replicas-to-write", "1", "0"):
        yield


@contextmanager
def busy(admin: redis.Redis) -> Iterator[None]:
    """BUSY: somebody's script runs and runs."""
    with _configured(admin, "busy-reply-threshold", "20", "5000"):
        own = redis.Redis(connection_pool=admin.connection_pool)

        def script() -> None:
            with suppress(redis.RedisError):
                own.eval("while true do end", 0)

        thread = threading.Thread(target=script, daemon=True)
        thread.start()
        wait_until(lambda: _is_busy(admin))
        try:
            yield
        finally:
            while thread.is_alive():
                with suppress(redis.RedisError):
                    admin.script_kill()
                thread.join(0.05)


def _is_busy(admin: redis.Redis) -> bool:
    try:
        admin.ping()
    except redis.ResponseError:
        return True
    return False


@contextmanager
def unblocked(admin: redis.Redis) -> Iterator[None]:
    """UNBLOCKED: somebody wakes every client that waits for entries, with an error."""

    def wake() -> None:
        for client in admin.client_list():
            _do(admin, "CLIENT", "UNBLOCK", client["id"], "ERROR")

    with kept_up(wake, every_s=0.02):
        yield


@contextmanager
def emptied(admin: redis.Redis) -> Iterator[None]:
    """It lost its data: streams, groups, scripts, and every connection."""
    admin.flushall()
    admin.script_flush()
    admin.client_kill_filter(_type="normal", skipme=True)
    yield


@contextmanager
def flushed(admin: redis.Redis) -> Iterator[None]:
    """FLUSHALL, over and over for a moment, so that it hits every step of a loop; nobody loses a connection."""
    until_s = time.monotonic() + 1.0
    while time.monotonic() < until_s:
        admin.flushall()
        admin.script_flush()
        time.sleep(0.003)
    yield


REFUSES_WRITES: dict[str, Fault] = {
    "READONLY": read_only,
    "MASTERDOWN": master_down,
    "OOM": out_of_memory,
    "NOREPLICAS": no_replicas,
    "BUSY": busy,
}
"""Whoever writes is told of these for as long as they last."""

LOSES_DATA: dict[str, Fault] = {"emptied": emptied, "FLUSHALL": flushed}


@contextmanager
def no_rights(admin: redis.Redis) -> Iterator[None]:
    """NOPERM: the user may do nothing any more. Only a person can help."""
    _do(admin, "ACL", "SETUSER", "default", "-@write", "-@scripting")
    try:
        yield
    finally:
        _do(admin, "ACL", "SETUSER", "default", "+@all")


@contextmanager
def administrator(url: str) -> Iterator[redis.Redis]:
    """A client with a user of its own, which keeps its rights when all others lose theirs."""
    with redis.Redis.from_url(url) as client:
        _do(client, "ACL", "SETUSER", "boss", "on", ">boss", "+@all", "~*", "&*")
    with redis.Redis.from_url(url, username="boss", password="boss") as client:
        yield client


@contextmanager
def _configured(admin: redis.Redis, name: str, value: str, afterwards: str) -> Iterator[None]:
    admin.config_set(name, value)
    try:
        yield
    finally:
        admin.config_set(name, afterwards)


def _do(client: Any, *command: object) -> None:
    client.execute_command(*command)
