"""Formats, priorities, file names of results and settings are the same in every room, in the API and in the docs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app as commands
from dashboard import openapi
from dashboard.jobs import outputs, requests
from mien.formats import DEFAULT_FORMATS, FORMATS, JOB_FORMATS, PRIORITIES
from mien.jobs.options import MOST_EVERY, check_job_options
from mien.jobs.outputs import (
    ANNOTATED_FOLDER,
    ANNOTATED_VIDEO,
    EVALUATION_FILES,
    EVALUATION_PLOTS,
    JOB_FILES,
    TABLES,
    VIDEO_FILES,
    annotated_name,
    annotated_number,
    plot_name,
    video_folder_name,
)
from mien.jobs.queue import QUEUES
from mien.jobs.request import KINDS
from mien.jobs.videofiles import VideoFiles
from mien.settings import Settings
from tests.support.paths import ROOT
from worker.reports.timeline import table

ROOMS = ("cli", "producer", "worker", "dashboard", "models", "mien")
DOCS = {path.name: path.read_text() for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md")}
SCHEMAS: dict[str, Any] = openapi.document()["components"]["schemas"]


def option(name: str, *path: str) -> Any:
    """Return an option of a command, as the command line knows it."""
    command: Any = typer.main.get_command(commands)
    for part in path:
        command = command.commands[part]
    return next(each for each in command.params if f"--{name}" in each.opts)


def enums_of(schema: Any) -> Iterator[list[str]]:
    """Yield every list of words in a schema."""
    if isinstance(schema, dict):
        if "enum" in schema:
            yield schema["enum"]
        for each in schema.values():
            yield from enums_of(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from enums_of(each)


def texts_of(path: Path) -> Iterator[str]:
    """Yield the texts of a module, but for those that describe something, and the pieces of f-strings."""
    tree = ast.parse(path.read_text())
    described = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.value


# Formats and priorities


@pytest.mark.parametrize("kind", JOB_FORMATS)
def test_commands_offer_the_formats_of_their_kind_of_job(kind: str) -> None:
    formats = option("format", kind, "enqueue")
    described = str(formats.help)
    assert formats.default == ",".join(DEFAULT_FORMATS[kind])
    assert [name for name in FORMATS if name in described] == list(JOB_FORMATS[kind])
    assert set(DEFAULT_FORMATS[kind]) <= set(JOB_FORMATS[kind]) <= set(FORMATS)


def test_an_export_offers_every_format() -> None:
    assert option("format", "jobs", "export").metavar == "|".join(FORMATS)


def test_the_api_describes_the_formats_kinds_and_steps_that_are_checked() -> None:
    options = SCHEMAS["JobOptions"]["properties"]
    assert list(enums_of(options["formats"])) == [list(FORMATS)]
    for kind, names in JOB_FORMATS.items():
        assert f"{kind}: {', '.join(names)}" in str(options["formats"])
        check_job_options(kind, {"formats": list(names)})
    assert f"'maximum': {MOST_EVERY}" in str(options["every"])
    assert option("every", "video", "enqueue").max == MOST_EVERY
    assert list(enums_of(SCHEMAS["NewJob"]["properties"]["kind"])) == [list(requests.KINDS)] == [list(JOB_FORMATS)]


def test_priorities_are_the_same_in_queues_commands_api_and_docs() -> None:
    assert tuple(QUEUES) == PRIORITIES
    for kind in JOB_FORMATS:
        assert option("priority", kind, "enqueue").metavar == "|".join(PRIORITIES)
    listed = [words for words in enums_of(SCHEMAS) if set(words) & set(PRIORITIES)]
    assert listed != []
    assert all(words == list(PRIORITIES) for words in listed)
    assert f"`--priority {' | '.join(PRIORITIES)}`" in DOCS["offline.md"]


def test_no_module_lists_formats_or_priorities_for_itself() -> None:
    own = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Tuple | ast.List | ast.Set):
                    words = {each.value for each in node.elts if isinstance(each, ast.Constant)}
                    if len(words) > 1 and (words <= set(FORMATS) or words <= set(PRIORITIES)):
                        own.add(path.relative_to(ROOT).as_posix())
    assert own == {"mien/formats.py", "mien/jobs/outputs.py"}


# Names of files


def test_every_kind_of_job_says_what_it_gives() -> None:
    assert set(JOB_FILES) == set(KINDS)
    assert set(TABLES) == {*JOB_FILES["photos"], *JOB_FILES["video"]}


@pytest.mark.parametrize("kind", KINDS)
def test_the_dashboard_serves_every_file_that_a_job_writes(kind: str, tmp_path: Path) -> None:
    names = list(JOB_FILES[kind])
    if kind == "photos":
        names.append(annotated_name(0, "holiday"))
    if kind == "video":
        names += [f"{video_folder_name(0, 'clip', 1)}/{name}" for name in VIDEO_FILES]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
        path, media_type = outputs.open_output(tmp_path, name)
        assert (path, "/" in media_type) == (tmp_path / name, True)
    assert sorted(name for _, name in outputs.all_outputs(tmp_path)) == sorted(names)


def test_the_api_has_an_address_for_every_table() -> None:
    described = {path.rsplit("/", 1)[1] for path in openapi.document()["paths"] if "/{id}/results." in path}
    assert described == {*TABLES, "results.zip"}


def test_the_pages_name_the_files_that_there_are() -> None:
    videos = (ROOT / "dashboard" / "static" / "videos.js").read_text()
    listed = re.search(r"const FILES = \[(.*?)\];", videos, re.DOTALL)
    assert listed is not None
    assert re.findall(r'\["([\w.]+)",', listed[1]) == list(VIDEO_FILES)
    assert set(re.findall(r'there\.get\("([\w.]+)"\)', videos)) <= set(VIDEO_FILES)
    page = (ROOT / "dashboard" / "templates" / "job.html").read_text()
    assert set(TABLES) < set(re.findall(r'data-output="([\w.]+)"', page)) <= {*TABLES, *EVALUATION_FILES}
    evaluation = (ROOT / "dashboard" / "static" / "evaluation.js").read_text()
    assert set(re.findall(r'(?:has|address)\("([\w.]+)"\)', evaluation)) <= set(EVALUATION_FILES)


def test_a_table_of_a_video_has_the_formats_of_video_jobs() -> None:
    assert [f".{name}" for name in JOB_FORMATS["video"]] == list(table.FORMATS)


def test_the_docs_name_every_file_of_results() -> None:
    plots = {plot_name(plot) for plot in EVALUATION_PLOTS}
    assert "its plots as PNG" in DOCS["models.md"].replace("\n", " ")
    for names, page in ((TABLES, "photos.md"), (VIDEO_FILES, "offline.md"), (EVALUATION_FILES, "models.md")):
        for name in (each for each in names if each not in plots):
            stem, _, ending = name.rpartition(".")
            with_others = f"`{stem}." in DOCS[page] and f"`.{ending}`" in DOCS[page]
            assert f"`{name}`" in DOCS[page] or with_others, f"{page} does not name {name}"


def test_no_module_names_a_file_of_results_for_itself() -> None:
    names = {*TABLES, *VIDEO_FILES, *EVALUATION_FILES, ANNOTATED_VIDEO}
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if any(text in names or text in ("results.", "timeline.") for text in texts_of(path))
    }
    # The page of a training is no result of a job.
    assert found - {"models/training/report.py"} == {"mien/jobs/outputs.py"}


def test_no_module_names_a_file_of_the_steps_of_a_video_for_itself() -> None:
    files = VideoFiles(Path())
    names = {path.name for path in (files.frames, files.plan, files.wanted_moments, files.tracks, files.done)}
    assert len(names) == 5
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if names & set(texts_of(path))
    }
    assert found == {"mien/jobs/videofiles.py"}


@pytest.mark.parametrize("stem", ["a", "Ann & Bob", "../../etc", "é", "", "." * 9, "x" * 300, "1-2"])
def test_names_made_of_what_people_sent_are_harmless_and_served(stem: str, tmp_path: Path) -> None:
    picture, folder = annotated_name(41, stem), video_folder_name(1, stem, 2)
    assert annotated_number(picture.removeprefix(f"{ANNOTATED_FOLDER}/")) == 42
    for name in (picture, f"{folder}/{ANNOTATED_VIDEO}"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        assert outputs.open_output(tmp_path, name)[0] == tmp_path / name


# Settings

# Of containers and tests, not of mien: what compose puts into its files, and where tests find things.
OF_CONTAINERS = {"MIEN_CAMERA_DEVICE", "MIEN_CAMERA_GROUP"}


def test_every_variable_that_docs_and_deployment_name_is_a_setting() -> None:
    settings = {f"MIEN_{name.upper()}" for name in Settings.model_fields}
    deployment = [ROOT / "docker-compose.yml", *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", *deployment):
        named = set(re.findall(r"\bMIEN_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))
        others = {
            name
            for name in named - settings - OF_CONTAINERS
            if not name.startswith(("MIEN_BROKER_", "MIEN_TEST_")) and name not in ("MIEN_CAMERA", "MIEN_CONFIG")
        }
        assert others == set(), path
