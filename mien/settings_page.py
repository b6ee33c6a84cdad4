"""`python -m mien.settings_page` prints docs/settings.md; a test fails while the file differs."""

from __future__ import annotations

from mien.settings import Settings

_HEAD = """# Settings

Read from `mien.yaml` in the working directory (or the file that `MIEN_CONFIG` names), then from the environment, then
from flags; the later one wins. An unknown key is an error.

| key in the file | environment | default | what it does |
|---|---|---|---|
"""


def render() -> str:
    """Return the page, a row for each setting in the order of the model."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "", ()) else f"`{field.default}`"
        rows.append(f"| `{name}` | `MIEN_{name.upper()}` | {default} | {field.description} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(render(), end="")
