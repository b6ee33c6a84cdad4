"""The card that goes with trained weights: what they are, what they were made of, how good they are, and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mien.prior import NAMED
from mien.types import EMOTIONS
from models.nets.weights import Weights

_LIMITS = (
    "Emotions are *apparent*: what a face shows to people who look at it, never what a person feels. The picture alone"
    " decides: no sound, no words, no situation.",
    "Figures hold for data like that above. Measure on labelled pictures of your own (`mien evaluate`) before you trust"
    " them, also for each group of people that matters to you: whether the net is equally right for all is unknown"
    " unless the data says who is in it.",
    "Not meant for decisions about a person, and not for emotion inference at work or at school, which is banned in the"
    " EU (AI Act, Article 5(1)(f)).",
)


_MEASURED = "; then valence and arousal, each from -1 to 1"
_VA_WORDS = {
    "projected": "projected from the probabilities, not measured",
    "measured": "measured by a head of their own",
}


def card_of(weights: Weights, parameters: int, facts: Sequence[str]) -> str:
    """Return the model card of weights as Markdown; `facts` are sentences on data and training."""
    figures = weights.figures.get("validation", {})
    stem = f", stem {weights.stem}" if weights.stem else ""
    size, colours = weights.input_size, "grey" if weights.channels == 1 else "RGB"
    lines = [
        f"# Model card: `{weights.name}`, version {weights.version}",
        "",
        "Says which of eight *apparent* emotions a face shows"
        + (", and how pleasant (valence) and how excited (arousal) it looks." if "va" in weights.heads else "."),
        "",
        "| | |",
        "|---|---|",
        f"| net | {weights.variant}{stem}; {parameters / 1e6:.2f} M parameters |",
        f"| input | one face, {size}×{size} px, {colours} |",
        f"| output | logits of {', '.join(weights.classes)}{_MEASURED if 'va' in weights.heads else ''} |",
        f"| valence and arousal | {_VA_WORDS[weights.va_source]} |",
        f"| temperature, threshold | {weights.temperature:g}, {weights.threshold:g} (found on validation) |",
        f"| licence | {weights.licence or 'not stated: that of the data decides'} |",
        "",
        "## Data and training",
        "",
        *(f"- {fact}" for fact in facts),
        "",
        "## Figures on validation",
        "",
        "One net, no test-time augmentation, nothing rejected.",
        "",
        *_figures(figures),
        "",
        *_priors(weights),
        *_classes(figures),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in _LIMITS),
        *_unknown(figures),
    ]
    return "\n".join(lines) + "\n"


def _figures(figures: Mapping[str, Any]) -> list[str]:
    rows = [
        ("faces", f"{figures['n']:,}"),
        ("accuracy", f"{figures['accuracy']:.2%}"),
        ("UAR, the mean recall of the emotions", f"{figures['uar']:.3f}"),
        ("macro-F1", f"{figures['macro_f1']:.3f}"),
        ("expected calibration error, 15 bins", f"{figures['ece']:.3f}"),
        ("negative log-likelihood", f"{figures['nll']:.3f}"),
        (
            "faces that get a name; accuracy among them",
            f"{figures['coverage']:.1%}; {figures['accuracy_at_coverage']:.1%}",
        ),
    ]
    if figures.get("va"):
        va = figures["va"]
        rows += [
            (f"{name}, {va['source']}: CCC, RMSE ({va['n']:,} faces, truth {va['truth']})", _pair(va[name]))
            for name in ("valence", "arousal")
        ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _priors(weights: Weights) -> list[str]:
    """Return accuracy and UAR under each named prior; nothing for weights that do not say which one they assume."""
    rows = [(name, weights.figures.get(f"validation, {name}")) for name in NAMED]
    known = [(name, figures) for name, figures in rows if figures]
    if not known:
        return []
    return [
        "| prior | accuracy | UAR (mean recall) | calibration error |",
        "|---|---|---|---|",
        *(
            f"| {name} | {figures['accuracy']:.2%} | {figures['uar']:.3f} | {figures['ece']:.3f} |"
            for name, figures in known
        ),
        "",
    ]


def _pair(axis: Mapping[str, float | None]) -> str:
    return ", ".join("–" if axis[key] is None else f"{axis[key]:.3f}" for key in ("ccc", "rmse"))


def _classes(figures: Mapping[str, Any]) -> list[str]:
    return [
        "| apparent emotion | faces | precision | recall | F1 |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {row['n']:,} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} |"
            for name, row in figures["per_class"].items()
        ),
    ]


def _unknown(figures: Mapping[str, Any]) -> list[str]:
    never = [name for name, row in figures["per_class"].items() if row["recall"] == 0]
    absent = [name for name in EMOTIONS if name not in figures["per_class"]]
    lines = []
    if never:
        lines.append(f"- Never recognised on validation: {', '.join(never)}.")
    if absent:
        lines.append(f"- Not in the validation data, so not measured: {', '.join(absent)}.")
    return lines
