"""mien reads the apparent emotion of every face, live and in batches.

For notebooks and scripts:

>>> from mien import FaceAnalyzer
>>> FaceAnalyzer().analyze("picture.jpg").to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["FaceAnalyzer"]

if TYPE_CHECKING:
    from models.notebook.analyzer import FaceAnalyzer
else:
    # Models are above this floor and heavy: they load when FaceAnalyzer is asked for, and only then.
    def __getattr__(name: str) -> object:
        if name != "FaceAnalyzer":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from models.notebook.analyzer import FaceAnalyzer
        except ModuleNotFoundError as error:
            from mien.errors import RuntimeMissing

            raise RuntimeMissing(f"FaceAnalyzer needs {error.name}: install mien[worker,notebook]") from error
        return FaceAnalyzer

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
