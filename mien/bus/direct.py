"""The short way to a broker, past the bookkeeping of the client library, for what is asked with every frame."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import redis


class Direct:
    """Sends commands over a client's connections and returns bare answers.

    The way through `redis.Redis` takes 0.04 to 0.06 ms of CPU more for each command in a process that sleeps between
    frames (2 cores at 2.1 GHz). Raises what the client raises.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def ask(self, *command: str | int | bytes) -> Any:
        """Send a command and return its answer."""
        pool = self._client.connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.send_command(*command)
            return connection.read_response()
        except redis.ResponseError:
            raise
        except BaseException:  # the answer may still arrive, and must not be taken for the next command's
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


class Script:
    """A script that the broker may know already."""

    def __init__(self, direct: Direct, text: str) -> None:
        self._direct = direct
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[str | int | bytes]) -> Any:
        """Run it and return its answer."""
        try:
            return self._direct.ask("EVALSHA", self._sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self._direct.ask("EVAL", self._text, len(keys), *keys, *args)
