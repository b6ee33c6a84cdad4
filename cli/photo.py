"""`mien photo`: pictures read now, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.analyzer import PixelAnalyzer
    from models.pictures.photo import Photo

SUFFIX = ".mien.jpg"


def photo(
    files: Annotated[list[Path], typer.Argument(help="Pictures: JPEG, PNG, WebP, BMP, TIFF or GIF.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for the annotated pictures; without it the current one, and none at all with --json.",
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(
            help="How often each emotion is expected: balanced, everyday, or happy=0.3,sad=… for all of them."
        ),
    ] = None,
) -> None:
    """Classify the apparent emotion of every face in pictures, and write each picture with its faces drawn in.

    Ends with 0 when all pictures were read, with 1 when some were not, with 2 when no such file exists.

    Example: [bold]mien photo holiday.jpg --out annotated[/bold]
    """
    from cli.views.photo import print_json, print_table
    from mien.errors import InputError, PictureError
    from mien.logs import configure_logs
    from mien.prior import parsed
    from mien.settings import load_settings

    settings = load_settings(emotion_prior=None if prior is None else parsed(prior))
    configure_logs("debug" if settings.log_level == "debug" else "warning", settings.log_format)
    if not any(path.exists() for path in files):
        given = ", ".join(map(str, files))
        raise InputError(f"{given}: no such file" if len(files) == 1 else f"none of these files exists: {given}")
    from models.analyzer import open_analyzer
    from worker.jobs.pictures import Limits, open_photo

    analyzer = open_analyzer(settings)
    limits = Limits(settings.photo_max_pixels, settings.smallest_face_px)
    folder = out or (None if as_json else Path())
    names = _Names()
    pictures: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    for path in files:
        try:
            opened = open_photo(path, limits)
            pictures.append(_read(path, opened, analyzer, folder and folder / names.fresh(path), settings.jpeg_quality))
        except (PictureError, InputError) as error:
            failures.append({"path": str(path), "reason": str(error)})
            typer.echo(f"mien: {path}: {error}", err=True)
    if as_json:
        print_json(pictures, failures, analyzer)
    elif pictures:
        print_table(pictures)
    raise typer.Exit(1 if failures else 0)


class _Names:
    """Names of annotated pictures: two inputs of one name do not overwrite each other."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def fresh(self, path: Path) -> str:
        """Return a name that was not given out before."""
        name, number = f"{path.stem}{SUFFIX}", 1
        while name in self._taken:
            number += 1
            name = f"{path.stem}-{number}{SUFFIX}"
        self._taken.add(name)
        return name


def _read(path: Path, opened: Photo, analyzer: PixelAnalyzer, annotated: Path | None, quality: int) -> dict[str, Any]:
    """Return the entry of one picture, and write it with its faces drawn in; raises InputError when it cannot."""
    from mien.errors import InputError
    from mien.files import write_file
    from mien.types import picture_document
    from models.pictures.overlay import draw_faces
    from models.pictures.picture import encode_jpeg

    faces = analyzer.analyze(opened.pixels)
    entry = picture_document(str(path), opened.width, opened.height, opened.in_original(faces))
    if annotated is not None:
        draw_faces(opened.pixels, faces)
        try:
            write_file(annotated, encode_jpeg(opened.pixels, quality), synced=False)
        except OSError as error:
            raise InputError(f"{annotated} cannot be written: {error.strerror}") from error
        entry["annotated"] = str(annotated)
    return entry
