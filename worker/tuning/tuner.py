"""Opens the analyzer of a live worker as the machine needs it, with costs that are known or measured now.

Chosen are the runtime, the threads and, by the costs, the plan with its detector input. The weights are not: photos and
jobs use the same ones, and the same picture must give the same numbers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from mien.bus.plan import SavingsPlan
from mien.logs import get_logger
from mien.machine import Machine
from mien.settings import RuntimeName, Settings
from models.analyzer import PixelAnalyzer, open_analyzer
from worker.analyzer import Prepares
from worker.heap import give_back
from worker.tuning.cache import Cache
from worker.tuning.choose import Room, Work, worst_frame_ms
from worker.tuning.costs import GUESS, Costs
from worker.tuning.forecast import classifies_on_gpu
from worker.tuning.ladder import ladder
from worker.tuning.measure import LONGEST_S, installed_runtimes, measured, measured_fully

USUAL_SHAPE = (1280, 720)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tuned:
    """An analyzer as it suits the machine: `costs` with it, the `steps` that it may take, and what it was opened with.

    `known`: the costs were measured, now or before; otherwise they are a guess.
    """

    analyzer: PixelAnalyzer
    settings: Settings
    machine: Machine
    costs: Costs
    steps: tuple[SavingsPlan, ...]
    known: bool

    @property
    def batches_cost_less(self) -> bool:
        """Whether a batch takes less time than its frames one by one: on a GPU, where one worker takes large ones."""
        return self.analyzer.runtime == "tensorflow" and classifies_on_gpu(self.settings, self.machine)

    @property
    def room(self) -> Room:
        """What a worker may use when it is the only one here."""
        return Room(self.machine.cores, 1, self.settings.budget_ms)


def open_tuned(settings: Settings, machine: Machine | None = None) -> Tuned:
    """Return an analyzer with its costs.

    The first time on a machine that takes 0.5 s longer than `open_analyzer`; what was measured is kept. With
    `tune: off` nothing is measured. Raises what `open_analyzer` raises.
    """
    machine = Machine.this() if machine is None else machine
    steps = ladder(settings)
    if settings.tune == "off":
        taken = _unmeasured(settings, machine)
        return Tuned(open_analyzer(taken), taken, machine, GUESS, steps, False)
    cache = Cache.of(settings, machine)
    costs = cache.load()
    if costs is None:
        with cache.lock():
            costs = cache.load()  # another worker may have measured while this one waited
            if costs is None:
                return _measured_now(settings, machine, steps, cache)
    fitting = settings_for(costs, settings)
    return Tuned(open_analyzer(fitting), fitting, machine, costs, steps, True)


def known_costs(settings: Settings, machine: Machine, *, anew: bool = False) -> Costs:
    """Return all costs, kept ones unless `anew`; measuring all of them takes up to 5 s, and opening the models."""
    cache = Cache.of(settings, machine)
    kept = None if anew else cache.load()
    if kept is not None and kept.full:
        return kept
    with cache.lock():
        opened, _ = _open_measured(settings, machine, time.monotonic() + LONGEST_S)
        costs = measured_fully(opened.analyzer, opened.settings)
        cache.save(costs)
    return costs


def _unmeasured(settings: Settings, machine: Machine) -> Settings:
    """Return the settings with a runtime: measured, the two on CPUs differ by a tenth, and one of them by precision."""
    if settings.runtime != "auto" or classifies_on_gpu(settings, machine):
        return settings
    wanted: RuntimeName = "openvino" if settings.precision == "bf16" else "onnxruntime"
    return settings.model_copy(update={"runtime": wanted}) if wanted in installed_runtimes(settings) else settings


def settings_for(costs: Costs, settings: Settings) -> Settings:
    """Return the settings with what was chosen by measuring; what is set stays."""
    chosen: dict[str, object] = {}
    if settings.threads == 0:
        chosen["threads"] = costs.threads
    if settings.runtime == "auto":
        chosen["runtime"] = costs.runtime
    return settings.model_copy(update=chosen)


class Nets:
    """Makes the nets of coarser plans ready on a thread, while the worker goes on; called by the governor."""

    def __init__(self, analyzer: Prepares) -> None:
        self._analyzer = analyzer
        self._ready: set[tuple[int, tuple[int, int]]] = set()
        self._thread: threading.Thread | None = None

    def __call__(self, plan: SavingsPlan, shapes: Collection[tuple[int, int]]) -> bool:
        """Return whether all is ready for a plan and frames of these sizes; if not, it is begun."""
        wanted = {(plan.smallest_face_px, shape) for shape in shapes or (USUAL_SHAPE,)}
        missing = wanted - self._ready
        if not missing:
            return True
        if self._thread is None or not self._thread.is_alive():
            # No daemon: a process that ends while OpenVINO compiles for it would abort.
            self._thread = threading.Thread(target=self._prepare, args=(plan.smallest_face_px, missing), name="nets")
            self._thread.start()
        return False

    def _prepare(self, smallest_face_px: int, missing: set[tuple[int, tuple[int, int]]]) -> None:
        try:
            self._analyzer.prepare([shape for _, shape in sorted(missing)], smallest_face_px)
        except Exception as error:  # they are made when they are first used, then
            log.warning("nets cannot be made ready", smallest_face_px=smallest_face_px, reason=repr(error))
        self._ready |= missing
        give_back()


@dataclass(frozen=True, slots=True)
class _Opened:
    analyzer: PixelAnalyzer
    settings: Settings


def _measured_now(settings: Settings, machine: Machine, steps: tuple[SavingsPlan, ...], cache: Cache) -> Tuned:
    started_s = time.monotonic()
    opened, costs = _open_measured(settings, machine, started_s + LONGEST_S)
    cache.save(costs)
    log.info(
        "machine measured",
        seconds=round(time.monotonic() - started_s, 1),
        threads=costs.threads,
        runtime=costs.runtime,
        scan_ms=round(costs.detect(settings.smallest_face_px), 1),
        classify_2_ms=round(costs.classify(2), 1),
    )
    return Tuned(opened.analyzer, opened.settings, machine, costs, steps, True)


def _open_measured(settings: Settings, machine: Machine, until_s: float) -> tuple[_Opened, Costs]:
    """Return the analyzer with the fewest threads with which one frame fits its budget, and its costs.

    The threads are doubled up to the cores while there is time; when none fits, the fastest is taken.
    """
    opened = _Opened(open_analyzer(settings), settings)
    costs = measured(opened.analyzer, settings)
    threads = 2 * costs.threads
    while settings.threads == 0 and threads <= machine.cores and not _fits(costs, settings):
        if time.monotonic() > until_s - 1:
            break
        more = settings.model_copy(update={"threads": threads, "runtime": costs.runtime})
        tried = _Opened(open_analyzer(more), more)
        tried_costs = measured(tried.analyzer, more)
        if _frame_ms(tried_costs, settings) >= _frame_ms(costs, settings):
            break
        opened, costs, threads = tried, tried_costs, 2 * threads
    return _Opened(opened.analyzer, settings_for(costs, settings)), costs


def _fits(costs: Costs, settings: Settings) -> bool:
    return _frame_ms(costs, settings) <= settings.budget_ms


def _frame_ms(costs: Costs, settings: Settings) -> float:
    return worst_frame_ms(costs, ladder(settings)[0], Work(1))
