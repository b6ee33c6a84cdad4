"""The training of a classifier: one schedule that ends in time, and checkpoints that survive a kill at any moment.

Backend-neutral Keras 3. Everything random follows from the seed, the epoch and the batch, so that a run that is
resumed sees the batches it would have seen.
"""

from __future__ import annotations

import csv
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from models import convnext
from models.training import checkpoint, score
from models.training.augment import augment, mixup
from models.training.data import FaceSet, prepare
from models.training.plan import EpochReport, Listener, Plan, Tick, learning_rate

BATCHES_AHEAD = 6
EVALUATION_BATCH = 256
LOG_NAME = "log.csv"


class Trainer:
    """Owns the model, the optimizer and the clock of one run in one folder."""

    def __init__(self, plan: Plan, train: FaceSet, validation: FaceSet, folder: Path) -> None:
        if len(train) < plan.batch:
            raise InputError(f"{len(train)} training pictures are fewer than one batch of {plan.batch}: lower --batch")
        self.plan, self.train_set, self.validation, self.folder = plan, train, validation, folder
        keras.utils.set_random_seed(plan.seed)
        if plan.precision != "float32":
            keras.config.set_dtype_policy(f"mixed_{plan.precision}")
        self.model = convnext.build(plan.architecture, **asdict(plan.regularisation))
        keras.config.set_dtype_policy("float32")
        self.averaged = convnext.build(plan.architecture)
        self.optimizer = _optimizer(plan, self.model)
        self._compile()
        self.progress = checkpoint.Progress()
        self._validation_pictures = prepare(validation.pictures, plan.architecture.input_size)
        self._started = time.monotonic()
        self._saved = self._started

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch; the rest of a shuffled epoch is left out."""
        return len(self.train_set) // self.plan.batch

    @property
    def minutes(self) -> float:
        """Minutes trained so far, over all resumes."""
        return self.progress.minutes + (time.monotonic() - self._started) / 60

    @property
    def part(self) -> float:
        """How much of the run is done, 0 to 1: by steps or by time, whichever is further."""
        by_steps = self.progress.step / (self.plan.epochs * self.steps_per_epoch)
        return min(1.0, max(by_steps, self.minutes / self.plan.minutes))

    def start_from(self, arrays: Mapping[str, NDArray[np.generic]]) -> int:
        """Begin with those of the named arrays that fit the net, and return how many do; the others stay random."""
        own = convnext.named_arrays(self.model)
        fitting = {name: array for name, array in arrays.items() if name in own and own[name].shape == array.shape}
        convnext.restore(self.model, {**own, **fitting})
        # Averages begin where the weights do.
        self.optimizer = _optimizer(self.plan, self.model)
        self._compile()
        return len(fitting)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; returns whether there was one. Raises InputError when it does not fit."""
        variables = self._variables()
        shapes = [tuple(variable.shape) for variable in variables]
        found = checkpoint.load(self.folder, shapes, asdict(self.plan.architecture))
        if found is None:
            return False
        state, self.progress = found
        for variable, array in zip(variables, state, strict=True):
            variable.assign(array)
        self._started = time.monotonic()
        return True

    def run(self, listen: Listener) -> checkpoint.Progress:
        """Train until the plan is done, telling `listen` about it; the best averaged weights are in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            while self.part < 1.0:
                self._epoch(listen)
        except KeyboardInterrupt:
            self._save()
            raise
        self._save()
        return self.progress

    def evaluate(self) -> tuple[score.Scores, NDArray[np.float32]]:
        """Return the scores of the averaged weights on validation, and their logits [N, 8]."""
        convnext.restore(self.averaged, self._averaged_arrays())
        logits = predict(self.averaged, self._validation_pictures)
        return score.score(logits, self.validation.labels), logits

    def _compile(self) -> None:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        # jit_compile: XLA is several times slower than plain graphs on CPU.
        self.model.compile(optimizer=self.optimizer, loss=loss, jit_compile=False)

    def _epoch(self, listen: Listener) -> None:
        epoch, first = divmod(self.progress.step, self.steps_per_epoch)
        began, losses = time.monotonic(), []
        for pictures, targets in _batches_ahead(self.train_set, self.plan, epoch, first):
            self.optimizer.learning_rate = learning_rate(self.plan, self.progress.step, self.part)
            losses.append(float(self.model.train_on_batch(pictures, targets)))
            self.model.reset_metrics()
            self.progress.step += 1
            if self.progress.step % 10 == 0:
                listen(Tick(self.part, self.minutes, epoch, float(np.mean(losses[-50:]))))
            if time.monotonic() - self._saved > 60 * self.plan.checkpoint_minutes:
                self._save()
            if self.part >= 1.0:
                break
        speed = len(losses) * self.plan.batch / (time.monotonic() - began)
        self._end_epoch(epoch, float(np.mean(losses)), speed, listen)

    def _end_epoch(self, epoch: int, loss: float, speed: float, listen: Listener) -> None:
        scores, _ = self.evaluate()
        if scores.accuracy > self.progress.best_accuracy:
            self.progress.best_accuracy = scores.accuracy
            checkpoint.save_arrays(self.folder / checkpoint.BEST_NAME, convnext.named_arrays(self.averaged))
        rate = learning_rate(self.plan, self.progress.step, self.part)
        report = EpochReport(
            epoch, self.progress.step, self.minutes, rate, loss, scores.nll, scores.accuracy, scores.macro_f1, speed
        )
        _append_csv(self.folder / LOG_NAME, report)
        listen(report)

    def _save(self) -> None:
        self.progress.minutes, self._started = self.minutes, time.monotonic()
        self._saved = time.monotonic()
        state = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
        checkpoint.save(self.folder, state, self.progress, asdict(self.plan.architecture))

    def _variables(self) -> list[keras.Variable]:
        """Return all that a resumed run needs: weights, random states, moments, averages, iteration."""
        return [*self.model.variables, *self.optimizer.variables]

    def _averaged_arrays(self) -> convnext.Arrays:
        own = [keras.ops.convert_to_numpy(variable) for variable in self.model.trainable_variables]
        # The optimizer swaps the averages in by itself; they are read out and the trained weights put back.
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        arrays = convnext.named_arrays(self.model)
        for variable, value in zip(self.model.trainable_variables, own, strict=True):
            variable.assign(value)
        return arrays


def predict(model: keras.Model, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits [N, 8] of prepared pictures [N, H, W, C], batch by batch."""
    parts = [
        keras.ops.convert_to_numpy(model.predict_on_batch(pictures[start : start + EVALUATION_BATCH]))
        for start in range(0, len(pictures), EVALUATION_BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


def batches(
    faces: FaceSet, plan: Plan, epoch: int, first: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield an epoch's augmented batches from batch `first` on; a batch depends on seed, epoch and its number only."""
    order = _order(faces, plan, np.random.default_rng([plan.seed, epoch]))
    for number in range(first, len(faces) // plan.batch):
        rows = order[number * plan.batch : (number + 1) * plan.batch]
        rng = np.random.default_rng([plan.seed, epoch, number])
        pictures = augment(faces.pictures[rows], plan.architecture.input_size, rng, plan.augmentation)
        yield mixup(pictures, faces.targets[rows], rng, plan.augmentation)


def _order(faces: FaceSet, plan: Plan, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows of an epoch: each once, or drawn so that rare classes come more often."""
    if plan.balance == 0:
        return rng.permutation(len(faces))
    sizes = np.bincount(faces.labels, minlength=faces.targets.shape[1])
    weights = np.asarray(sizes[faces.labels], np.float64) ** -plan.balance
    return rng.choice(len(faces), len(faces), p=weights / weights.sum())


def _batches_ahead(
    faces: FaceSet, plan: Plan, epoch: int, first: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield `batches`, made on a thread a few batches ahead; the thread ends when the reader does."""
    ready: queue.Queue[tuple[NDArray[np.float32], NDArray[np.float32]] | BaseException | None]
    ready = queue.Queue(maxsize=BATCHES_AHEAD)
    done = threading.Event()

    def put(item: tuple[NDArray[np.float32], NDArray[np.float32]] | BaseException | None) -> None:
        while not done.is_set():
            try:
                return ready.put(item, timeout=0.2)
            except queue.Full:
                continue
        return None

    def fill() -> None:
        try:
            for batch in batches(faces, plan, epoch, first):
                put(batch)
                if done.is_set():
                    return
            put(None)
        except Exception as error:  # handed to the reader, who raises it
            put(error)

    thread = threading.Thread(target=fill, name="augment", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        done.set()
        thread.join()


def _optimizer(plan: Plan, model: keras.Model) -> keras.optimizers.Optimizer:
    """Return AdamW that decays matrices only and keeps an average of the weights."""
    optimizer = keras.optimizers.AdamW(
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        beta_2=0.99,
        global_clipnorm=2.0,
        use_ema=True,
        ema_momentum=plan.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    return optimizer


def _append_csv(path: Path, report: EpochReport) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        row = asdict(report)
        if is_new:
            writer.writerow(row)
        writer.writerow(round(value, 6) for value in row.values())
