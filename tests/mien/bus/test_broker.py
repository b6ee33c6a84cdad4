"""What the answers of a broker mean: wait, end, or see to what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis
from redis._parsers.base import BaseParser

from mien.bus.broker import broker_errors, connect, verdict
from mien.bus.bus import Bus
from mien.bus.embedded import EmbeddedBroker
from mien.errors import BrokerRefused, BrokerUnavailable, MienError
from mien.settings import Settings
from mien.types import Camera, CameraState
from tests.support.broker_faults import REFUSES_WRITES, Fault, administrator, no_rights

PASSES = (
    "READONLY You can't write against a read only replica.",
    "UNBLOCKED client unblocked via CLIENT UNBLOCK",
    "UNBLOCKED the stream key no longer exists",
    "NOREPLICAS Not enough good replicas to write.",
    "LOADING Valkey is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN Hash slot not served",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "NOGROUP No such key 'mien:camera:a:frames' or consumer group 'workers'",
    "NOSCRIPT No matching script. Please use EVAL.",
    "ERR max number of clients reached",
    "ERR Error running script: Script killed by user with SCRIPT KILL...",
    "EXECABORT Transaction discarded because of: OOM command not allowed",
    "EXECABORT Transaction discarded because of: MISCONF Errors writing to the AOF file",
)
STAYS = (
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOAUTH Authentication required.",
    "NOPERM User mien has no permissions to run the 'xadd' command",
    "ERR ACL failure in script: User mien has no permissions to run the 'xadd' command",
    "ERR unknown command 'XAUTOCLAIM', with args beginning with: 'OOM' 'mien:camera:BUSY:frames' ",
    "ERR wrong number of arguments for 'auth' command",
    "ERR DB index is out of range",
    "DENIED Valkey is running in protected mode because protected mode is enabled",
    "MOVED 3999 127.0.0.1:6381",
    "CROSSSLOT Keys in request don't hash to the same slot",
)
STORED = (
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR hash value is not an integer",
    "BUSYGROUP Consumer Group name already exists",
    "ERR Invalid stream ID specified as stream command argument",
)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [(answer, "passes") for answer in PASSES]
    + [(answer, "stays") for answer in STAYS]
    + [(answer, "stored") for answer in STORED],
)
@pytest.mark.parametrize("pipeline", [False, True])
def test_each_answer_is_waited_for_or_not(answer: str, meaning: str, pipeline: bool) -> None:
    error = cast(Any, BaseParser).parse_error(answer)
    assert isinstance(error, redis.RedisError)
    if pipeline:  # as redis-py marks the answer to one command of many
        error.args = (f"Command # 2 (HSET mien:cameras OOM NOPERM) of pipeline caused error: {error.args[0]}",)
    assert verdict(error) == meaning


@pytest.mark.parametrize(
    "error", [redis.TimeoutError(), redis.ConnectionError(), TimeoutError(), ConnectionResetError()]
)
def test_what_happens_on_the_way_passes(error: Exception) -> None:
    assert verdict(error) == "passes"


@pytest.fixture(scope="module")
def own_broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def own_bus(own_broker: EmbeddedBroker, settings: Settings) -> Iterator[Bus]:
    bus = Bus(own_broker.url, settings)
    yield bus
    bus.close()


@pytest.mark.parametrize("fault", REFUSES_WRITES.values(), ids=list(REFUSES_WRITES))
def test_a_broker_that_takes_nothing_now_is_unavailable_and_then_well(
    own_broker: EmbeddedBroker, own_bus: Bus, fault: Fault
) -> None:
    camera = Camera("lobby", CameraState.LIVE)
    own_bus.put_camera(camera)
    with administrator(own_broker.url) as admin:
        with fault(admin):
            for write in (
                lambda: own_bus.put_camera(camera),
                lambda: own_bus.lease("lobby", "a"),
                lambda: own_bus.skip("lobby", 1),
                lambda: own_bus.watch(["lobby"]),
                lambda: own_bus.beat("w1"),
            ):
                with pytest.raises(BrokerUnavailable, match="cannot do it now"):
                    write()
        own_bus.put_camera(camera)
        assert own_bus.lease("lobby", "a") == "a"


def test_missing_rights_are_refused_in_one_line(own_broker: EmbeddedBroker, own_bus: Bus) -> None:
    own_bus.ping()
    with administrator(own_broker.url) as admin, no_rights(admin):
        for write in (lambda: own_bus.put_camera(Camera("a", CameraState.LIVE)), lambda: own_bus.lease("a", "b")):
            with pytest.raises(BrokerRefused, match=r"refuses what mien asks: .*permission") as refused:
                write()
            assert "\n" not in str(refused.value)


def test_a_wrong_password_and_an_unknown_command_are_refused(own_broker: EmbeddedBroker, settings: Settings) -> None:
    bus = Bus(own_broker.url.replace("unix://", "unix://nobody:wrong@"), settings)
    with pytest.raises(BrokerRefused, match="invalid username-password pair"):
        bus.ping()
    bus.close()
    client = connect(Bus(own_broker.url, settings).address, "bus")
    with pytest.raises(MienError, match="unknown command"), broker_errors(None):
        cast(Any, client).execute_command("NOSUCH", "OOM")
    client.close()
