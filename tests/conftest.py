"""Fixtures that every test may use: a real broker, a bus on it, and settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import structlog

from mien.bus.bus import Bus
from mien.bus.embedded import EmbeddedBroker
from mien.settings import Settings
from tests.support.broker_faults import administrator


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    """One Valkey server for all tests of a run."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(autouse=True)
def _default_logs() -> Iterator[None]:
    """What one test says about logs does not reach the next one."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def broker_url(broker: EmbeddedBroker) -> str:
    """The address of an empty broker."""
    with redis.Redis.from_url(broker.url) as client:
        client.flushall()
    return broker.url


@pytest.fixture
def settings(broker_url: str, tmp_path: Path) -> Settings:
    """Settings that point at the test's own broker and folder."""
    return Settings(bus_url=broker_url, jobs_url=broker_url, data_dir=tmp_path / "data")


@pytest.fixture
def bus(settings: Settings) -> Iterator[Bus]:
    """A bus on an empty broker."""
    bus = Bus.from_settings(settings)
    yield bus
    bus.close()


@pytest.fixture(scope="module")
def own_broker() -> Iterator[EmbeddedBroker]:
    """A broker that tests of one file may do harm to."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def own(own_broker: EmbeddedBroker, settings: Settings) -> Settings:
    """The settings of services at that broker, which is empty."""
    with administrator(own_broker.url) as admin:
        admin.flushall()
    return settings.model_copy(update={"bus_url": own_broker.url, "jobs_url": own_broker.url})
