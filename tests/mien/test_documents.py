from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Annotated

import pytest

from mien.documents import Count, Document, Inner, derived, digits, left_out_if, schemas
from mien.types import Camera, CameraState


@dataclass(frozen=True, slots=True)
class Trip(Document):
    """How far somebody went."""

    name: str
    way_m: Annotated[float, digits(1)]
    stops: Count = 0
    note: Annotated[str, left_out_if("")] = ""
    secret: Inner[str] = "hidden"

    @derived
    def way_km(self) -> Annotated[float, digits(2)]:
        """The same in kilometres."""
        return self.way_m / 1000


def test_a_value_is_rounded_and_completed_on_its_way_out_only() -> None:
    trip = Trip("home", 1234.56)
    assert trip.to_dict() == json.loads(trip.to_json()) == {"name": "home", "way_m": 1234.6, "stops": 0, "way_km": 1.23}
    assert (trip.way_m, trip.way_km) == (1234.56, 1234.56 / 1000)
    assert Trip("home", 1.0, note="short").to_dict()["note"] == "short"


def test_a_value_comes_back_without_what_it_does_not_know() -> None:
    trip = Trip("home", 12.5, 3, "short")
    assert Trip.from_json(trip.to_json()) == Trip.from_dict({**trip.to_dict(), "new": 1}) == trip


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "home", "way_m": "far"}', '{"name": 3, "way_m": 1}'])
def test_what_is_no_such_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Trip.from_json(text)


def test_the_schema_has_names_limits_and_what_may_be_missing() -> None:
    schema = schemas([Trip])["Trip"]
    assert schema["required"] == ["name", "way_m", "stops", "way_km"]
    assert schema["properties"].keys() == {"name", "way_m", "stops", "note", "way_km"}
    assert schema["properties"]["stops"]["minimum"] == 0
    assert schema["description"] == "How far somebody went."


def test_names_of_files_that_are_no_utf_8_come_through() -> None:
    camera = Camera("lobby", CameraState.LIVE, source=os.fsdecode(b"/clips/\xff.mp4"))
    assert Camera.from_json(camera.to_json()) == camera
    assert json.loads(camera.to_json()) == camera.to_dict()
