"""The report of an evaluation as one HTML page that needs no network and no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --faint: #616e7c; --line: #e4e7eb; --accent: #2f6f9f; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #f5f7fa; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 12px; }
p { margin: 0 0 8px; } .faint { color: var(--faint); } .note { font-size: 14px; color: var(--faint); max-width: 70ch; }
.last { margin-top: 40px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 12px; margin: 24px 0; }
.tile, figure, .table { background: #fff; border: 1px solid var(--line); border-radius: 8px; }
.tile { padding: 12px 16px; } .tile b { display: block; font-size: 26px; font-weight: 600; }
.tile span { font-size: 14px; color: var(--faint); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; }
.plots figure:first-child { grid-column: 1 / -1; } .plots figure:first-child img { max-width: 720px; margin: 0 auto; }
figure { margin: 0; padding: 12px; } figure img { width: 100%; height: auto; display: block; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: 7px 14px; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { font-size: 14px; font-weight: 600; color: var(--faint); }
tr:last-child td { border-bottom: 0; } td { font-variant-numeric: tabular-nums; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: 12px; }
.gallery figure { padding: 8px; font-size: 13px; line-height: 1.35; }
.gallery img { aspect-ratio: 1; object-fit: cover; border-radius: 4px; }
.gallery figcaption { margin-top: 6px; overflow-wrap: anywhere; }
.failures td { text-align: left; overflow-wrap: anywhere; font-size: 14px; }
"""


def page(
    title: str,
    facts: Sequence[str],
    figures: Mapping[str, Any],
    plots: Mapping[str, bytes],
    mistakes: Iterable[tuple[bytes, str, str]],
) -> str:
    """Return the page.

    `facts` are sentences about what was evaluated, `figures` those of `figures_of` (or of a training's validation: what
    is not there is not shown), `plots` PNG files by what they show, `mistakes` JPEG files with two lines of text each.
    All text is escaped: names of files can say anything.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="faint">{escape(fact)}</p>' for fact in facts),
        _tiles(figures),
        '<div class="plots">',
        *(_plot(name, png) for name, png in plots.items()),
        "</div>",
        "<h2>By apparent emotion</h2>",
        table(
            ("people saw", "pictures", "precision", "recall", "F1"),
            [
                (name, f"{row['n']:,}", *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")))
                for name, row in figures["per_class"].items()
            ],
        ),
        *_corruptions(figures),
        *_va(figures),
        *_gallery(list(mistakes)),
        *_failures(figures),
        '<p class="note last">Emotions are <em>apparent</em>: what a face shows to people who look at it, never what'
        " a person feels. Figures hold for this data and for pictures like it.</p>",
    ]
    return document(title, parts)


def document(title: str, parts: Iterable[str]) -> str:
    """Return a page of HTML `parts` that needs no network and no other file; the title is escaped."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>\n'
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _tiles(figures: Mapping[str, Any]) -> str:
    rows = [
        (f"{figures['accuracy']:.1%}", "right, of all pictures"),
        (f"{figures['macro_f1']:.3f}", "macro-F1, mean over the emotions"),
        (f"{figures['coverage']:.0%}", "get a name; the rest is uncertain"),
        (f"{figures['accuracy_at_coverage']:.1%}", "right, of those with a name"),
        (_number(figures["ece"]), "calibration error, 15 bins"),
    ]
    if figures.get("reject_auroc") is not None:
        words = f"AUROC of unclear pictures, by {figures['reject']['score']}"
        rows.append((_number(figures["reject_auroc"]), words))
    if "unreadable" in figures:
        rows.append((f"{figures['no_face']:,}", "pictures without a face (counted as wrong)"))
        rows.append((f"{figures['unreadable']:,}", "files that cannot be read (not counted)"))
    tiles = "".join(f'<div class="tile"><b>{value}</b><span>{escape(text)}</span></div>' for value, text in rows)
    return f'<div class="tiles">{tiles}</div>'


def _corruptions(figures: Mapping[str, Any]) -> list[str]:
    if "corruptions" not in figures:
        return []
    rows = [
        (row["name"], f"{row['accuracy']:.2%}", f"{row['fall_points']:.2f}", _number(row["macro_f1"]))
        for row in figures["corruptions"]
    ]
    rows.insert(0, ("unchanged", f"{figures['accuracy']:.2%}", "", _number(figures["macro_f1"])))
    return [
        "<h2>Changed pictures</h2>",
        table(("change of every face", "accuracy", "fall in points", "macro-F1"), rows),
    ]


def _va(figures: Mapping[str, Any]) -> list[str]:
    if not figures.get("va"):
        return []
    va = figures["va"]
    rows = [(name, *(_number(va[name][key]) for key in ("ccc", "rmse"))) for name in ("valence", "arousal")]
    return [
        "<h2>Valence and arousal</h2>",
        f'<p class="note">Read: {escape(va["source"])}. Truth: {escape(va["truth"])}. {va["n"]:,} pictures.</p>',
        table(("", "CCC", "RMSE"), rows),
    ]


def gallery(pictures: Iterable[tuple[bytes, str, str]]) -> str:
    """Return JPEG files as a gallery, with two lines of text below each, the second one fainter."""
    items = "".join(
        f'<figure><img src="{_data(jpeg, "image/jpeg")}" alt=""><figcaption>{escape(first)}<br>'
        f'<span class="faint">{escape(second)}</span></figcaption></figure>'
        for jpeg, first, second in pictures
    )
    return f'<div class="gallery">{items}</div>'


def _gallery(mistakes: Sequence[tuple[bytes, str, str]]) -> list[str]:
    if not mistakes:
        return []
    return ["<h2>Mistakes that the classifier is surest of</h2>", gallery(mistakes)]


def _failures(figures: Mapping[str, Any]) -> list[str]:
    if not figures.get("failures"):
        return []
    rows = "".join(
        f"<tr><td>{escape(str(row['path']))}</td><td>{escape(str(row['reason']))}</td></tr>"
        for row in figures["failures"]
    )
    more = figures["unreadable"] - len(figures["failures"])
    rest = f'<p class="note">and {more:,} more</p>' if more > 0 else ""
    return [
        "<h2>Files that cannot be read</h2>",
        f'<div class="table failures"><table><tbody>{rows}</tbody></table></div>{rest}',
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are numbers."""
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _plot(name: str, png: bytes) -> str:
    return f'<figure><img src="{_data(png, "image/png")}" alt="{escape(name)}"></figure>'


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
