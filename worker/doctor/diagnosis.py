"""The doctor's whole report: checks, costs, and what the machine would do with so many cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mien.errors import MienError, line_of
from mien.machine import Machine
from mien.settings import Settings
from worker.doctor.checks import Check, all_checks, model_checks
from worker.tuning.costs import Costs
from worker.tuning.forecast import USUAL_CAMERAS, Forecast, forecast, overrides


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found; without `costs` nothing could be measured, and there are no `forecasts`."""

    machine: Machine
    budget_ms: float
    checks: tuple[Check, ...]
    costs: Costs | None
    forecasts: tuple[Forecast, ...]
    overrides: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.state == "failed"]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "ok": self.ok,
            "machine": self.machine.to_dict(),
            "budget_ms": self.budget_ms,
            "checks": [check.to_dict() for check in self.checks],
            "costs": None if self.costs is None else self.costs.to_dict(),
            "plans": [each.to_dict() for each in self.forecasts],
            "overrides": {
                name: value if isinstance(value, int | float) else str(value) for name, value in self.overrides.items()
            },
        }


def diagnose(
    settings: Settings, cameras: Sequence[int] | None = None, fps: float = 25.0, measure: bool = False
) -> Diagnosis:
    """Check everything, and say what would be done with each number of `cameras` (None: 1, 2, 4, 6, 8).

    Costs that were measured before are used unless `measure`; measuring takes up to 5 s, beside opening the models.
    """
    machine = Machine.this()
    checks = [*all_checks(settings, machine), *model_checks(settings)]
    costs = None
    if all(check.state == "ok" for check in checks if check.group == "models"):
        costs, found = _costs(settings, machine, measure)
        checks.append(found)
    numbers = USUAL_CAMERAS if cameras is None else cameras
    forecasts = () if costs is None else tuple(forecast(each, settings, machine, costs, fps) for each in numbers)
    return Diagnosis(machine, settings.budget_ms, tuple(checks), costs, forecasts, overrides(settings))


def _costs(settings: Settings, machine: Machine, measure: bool) -> tuple[Costs | None, Check]:
    from worker.tuning.tuner import known_costs

    try:
        costs = known_costs(settings, machine, anew=measure)
    except MienError as error:
        return None, Check("models", "classifier", "failed", line_of(error))
    except Exception as error:  # whatever a runtime raises is what the doctor is asked about
        return None, Check("models", "classifier", "failed", line_of(repr(error)))
    one = costs.classify_ms[min(costs.classify_ms)]
    return costs, Check("models", "classifier", "ok", f"{costs.runtime} classifies a face in {one:.1f} ms")
