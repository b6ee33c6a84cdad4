"""The training of a classifier: one schedule that ends in time, and checkpoints that survive a kill at any moment.

Backend-neutral Keras 3. Everything random follows from the seed, the epoch and the batch, so that a run that is
resumed sees the batches it would have seen.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from models.evaluation import score
from models.evaluation.agreement import mean_ccc
from models.labelled.ferplus import FaceSet, prepare
from models.nets.heads import points_in
from models.training import checkpoint
from models.training.backbones import statistics
from models.training.backbones.freeze import freeze
from models.training.backbones.nets import Arrays, Net, fitted
from models.training.batches import Batch, batches_ahead
from models.training.faces import need_points
from models.training.loss import EmotionAndPoint, lesson
from models.training.plan import EpochReport, Listener, Tick, TrainingPlan, learning_rate
from models.training.runlog import RunLog
from models.training.teacher import Teacher

EVALUATION_BATCH = 256
LEAST_SHARED = 0.5
"""Of a net's parameters, how many weights to start from must have; what is missing (stem, head) stays random."""


class Trainer:
    """Owns the model, the optimizer and the clock of one run in one folder."""

    def __init__(
        self,
        plan: TrainingPlan,
        net: Net,
        train: FaceSet,
        validation: FaceSet,
        folder: Path,
        *,
        start: Arrays | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self._measures_va = "va" in net.heads
        if self._measures_va:
            need_points(train, validation)
        if len(train) < plan.batch:
            raise InputError(f"{len(train)} training pictures are fewer than one batch of {plan.batch}: lower --batch")
        self.plan, self.net, self.train_set, self.validation, self.folder = plan, net, train, validation, folder
        self._teacher = teacher
        keras.utils.set_random_seed(plan.seed)
        self.model = _built(net, plan)
        self.averaged = net.build()
        if start is not None:
            self._start_from(start)
        self.progress = checkpoint.Progress(phase=0 if plan.head_share > 0 else 1)
        self._prepare_phase()
        self._validation_pictures = prepare(validation.pictures, net.input_size)
        some = np.random.default_rng(plan.seed).permutation(len(train))[: statistics.PICTURES]
        self._some_pictures = prepare(train.pictures[some], net.input_size)
        self._log = RunLog(folder)
        self._sound = True
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

    @property
    def done(self) -> bool:
        """Whether the plan is fulfilled, or nothing got better for too long."""
        patience = self.plan.patience
        return self.part >= 1.0 or (patience is not None and self.progress.stale_epochs >= patience)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; returns whether there was one. Raises InputError when it does not fit."""
        found = checkpoint.load(self.folder, self.net.facts)
        if found is None:
            return False
        if found.progress.phase != self.progress.phase:
            self.progress.phase = found.progress.phase
            self._prepare_phase()
        found.put_into(self._variables())
        self.progress = found.progress
        self._started = time.monotonic()
        return True

    def run(self, listen: Listener) -> checkpoint.Progress:
        """Train until the plan is done, telling `listen` about it; the averaged weights to keep are in the folder.

        Raises InputError when the loss is no number any more; the checkpoint before that stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.progress.step == 0:
            self._log.begin()
            (self.folder / checkpoint.BEST_NAME).unlink(missing_ok=True)  # of an older run that left no checkpoint
        try:
            while not self.done:
                self._epoch(listen)
            if self.progress.best_accuracy < 0:  # the run was stopped before it could judge an epoch
                self.evaluate()
                self._keep()
        finally:  # also on Ctrl-C: what was learned is kept
            if self._sound:
                self._save()
            self._log.close()
        return self.progress

    def evaluate(self) -> tuple[score.Scores, NDArray[np.float32]]:
        """Return the scores of the averaged weights on validation, and the net's outputs [N, 8 or 10]."""
        self.net.restore(self.averaged, self._averaged_arrays())
        statistics.settle(self.averaged, self.model, self._some_pictures)
        logits = predict(self.averaged, self._validation_pictures)
        return score.score(logits, self.validation.labels), logits

    def _epoch(self, listen: Listener) -> None:
        epoch, first = divmod(self.progress.step, self.steps_per_epoch)
        began, losses = time.monotonic(), []
        size = self.net.input_size
        for batch in batches_ahead(self.train_set, self.plan, size, epoch, first, self._teacher):
            if self.progress.phase == 0 and self.part >= self.plan.head_share:
                self.progress.phase = 1
                self._prepare_phase()
            self.optimizer.learning_rate = learning_rate(self.plan, self.progress.step, self.part)
            losses.append(self._sound_loss(float(self._step(batch))))
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

    def _sound_loss(self, loss: float) -> float:
        self._sound = math.isfinite(loss)
        if not self._sound:
            raise InputError(
                f"the training diverged in step {self.progress.step + 1} (loss {loss}): lower --learning-rate"
            )
        return loss

    def _step(self, batch: Batch) -> Any:
        if self._measures_va:
            return self.model.train_on_batch(batch.pictures, lesson(batch))
        return self.model.train_on_batch(batch.pictures, batch.targets, sample_weight=batch.weights)

    def _concordance(self, outputs: NDArray[np.float32]) -> float:
        """Return the mean CCC of valence and arousal on validation, NaN for a net that does not measure them."""
        found, truth = points_in(outputs), self.validation.points
        return math.nan if found is None or truth is None else mean_ccc(truth, found)

    def _end_epoch(self, epoch: int, loss: float, speed: float, listen: Listener) -> None:
        scores, outputs = self.evaluate()
        ccc = self._concordance(outputs)
        counted = 0.0 if math.isnan(ccc) else ccc
        is_best = self.progress.take(scores.accuracy, counted, scores.nll, self.plan.va_weight)
        if is_best or self.plan.keep == "last":
            self._keep()
        rate = learning_rate(self.plan, self.progress.step, self.part)
        report = EpochReport(
            epoch=epoch,
            step=self.progress.step,
            minutes=self.minutes,
            learning_rate=rate,
            train_loss=loss,
            nll=scores.nll,
            accuracy=scores.accuracy,
            macro_f1=scores.macro_f1,
            samples_per_s=speed,
            ccc=ccc,
        )
        self._log.write(report)
        listen(report)

    def _keep(self) -> None:
        checkpoint.save_arrays(self.folder / checkpoint.BEST_NAME, self.net.arrays(self.averaged))

    def _prepare_phase(self) -> None:
        """Set which layers learn, and an optimizer for them; the weights stay as they are."""
        freeze(self.model, head_only=self.progress.phase == 0, unfreeze=self.plan.unfreeze)
        self.optimizer = _optimizer(self.plan, self.model)
        emotions = keras.losses.CategoricalCrossentropy(from_logits=True)
        loss = EmotionAndPoint(self.plan.va_weight) if self._measures_va else emotions
        # jit_compile: XLA is several times slower than plain graphs on CPU.
        self.model.compile(optimizer=self.optimizer, loss=loss, jit_compile=False)

    def _start_from(self, arrays: Arrays) -> None:
        """Begin with those of the arrays that fit the net; the others, and heads that are new, stay random."""
        own = self.net.arrays(self.model)
        tried = {name: fitted(array, own[name]) for name, array in arrays.items() if name in own}
        fitting = {name: array for name, array in tried.items() if array is not None}
        share = sum(own[name].size for name in fitting) / sum(array.size for array in own.values())
        if share < LEAST_SHARED:
            raise InputError(
                f"the weights to start from are those of another net: {share:.0%} of this one's parameters are among"
                " them. Choose others, or another --backbone"
            )
        self.net.restore(self.model, {**own, **fitting})

    def _save(self) -> None:
        self.progress.minutes, self._started = self.minutes, time.monotonic()
        self._saved = time.monotonic()
        state = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
        try:
            checkpoint.save(self.folder, state, self.progress, self.net.facts)
        except OSError as error:
            raise InputError(f"the checkpoint in {self.folder} cannot be written: {error.strerror or error}") from error

    def _variables(self) -> list[keras.Variable]:
        """Return all that a resumed run needs: weights, random states, moments, averages, iteration."""
        return [*self.model.variables, *self.optimizer.variables]

    def _averaged_arrays(self) -> dict[str, NDArray[Any]]:
        own = [keras.ops.convert_to_numpy(variable) for variable in self.model.trainable_variables]
        # The optimizer swaps the averages in by itself; they are read out and the trained weights put back.
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        arrays = self.net.arrays(self.model)
        for variable, value in zip(self.model.trainable_variables, own, strict=True):
            variable.assign(value)
        return arrays


def predict(model: keras.Model, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the outputs [N, 8 or 10] of prepared pictures [N, H, W, C], batch by batch."""
    parts = [
        keras.ops.convert_to_numpy(model.predict_on_batch(pictures[start : start + EVALUATION_BATCH]))
        for start in range(0, len(pictures), EVALUATION_BATCH)
    ]
    return np.concatenate(parts).astype(np.float32)


def _built(net: Net, plan: TrainingPlan) -> keras.Model:
    """Return a new model that computes in the plan's precision."""
    before = keras.config.dtype_policy()
    if plan.precision != "float32":
        keras.config.set_dtype_policy(f"mixed_{plan.precision}")
    try:
        return net.build(plan.regularisation)
    finally:
        keras.config.set_dtype_policy(before)


def _optimizer(plan: TrainingPlan, model: keras.Model) -> keras.optimizers.Optimizer:
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
