"""Jobs: queued by the command line and the dashboard, worked on by `mien jobs work`, seen by all three.

A job is a record in the jobs broker and a folder (see `mien.jobs.folder`). It is made of steps (see `mien.jobs.steps`),
one RQ job each. RQ decides who works on what and brings back what a dead worker held; a step counts as finished when
its file is in the folder, so doing one twice changes nothing. What the broker stores is in `mien.jobs.store`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mien.address import Address
from mien.bus.broker import broker_errors, connect
from mien.errors import InputError, JobConflict, JobError, JobNotStored
from mien.formats import check_priority
from mien.inputs.input import Input
from mien.jobs.deaths import Deaths
from mien.jobs.folder import Inputs, JobFolder
from mien.jobs.options import check_job_options
from mien.jobs.queue import QUEUE, QUEUES
from mien.jobs.request import Option, check_kind, check_webhook
from mien.jobs.steps import (
    EVALUATION_CHUNK,
    EVALUATION_REPORT,
    JOB_FUNCTIONS,
    PHOTO_CHUNK,
    PHOTO_REPORT,
    VIDEO_ANALYSE,
    VIDEO_FOLLOW,
    VIDEO_JOIN,
    VIDEO_PLAN,
    VIDEO_RENDER,
    VIDEO_REPORT,
    WEBHOOK,
    Call,
    next_calls,
)
from mien.jobs.store import JobStore, Views, record_key
from mien.jobs.view import Failure, JobState, JobView, Tally
from mien.settings import Settings

if TYPE_CHECKING:
    from rq import Queue

__all__ = [
    "EVALUATION_CHUNK",
    "EVALUATION_REPORT",
    "JOB_FUNCTIONS",
    "PHOTO_CHUNK",
    "PHOTO_REPORT",
    "QUEUE",
    "QUEUES",
    "VIDEO_ANALYSE",
    "VIDEO_FOLLOW",
    "VIDEO_JOIN",
    "VIDEO_PLAN",
    "VIDEO_RENDER",
    "VIDEO_REPORT",
    "WEBHOOK",
    "Failure",
    "JobView",
    "Jobs",
    "Tally",
]

_SPEED = "mien:photos_per_s"
# A chunk takes about this long: short enough to lose and to share out, long enough that queueing costs nothing.
_CHUNK_S = 10.0
_CHUNK_FIRST = 32
_CHUNK_LEAST, _CHUNK_MOST = 8, 512


class Jobs(JobStore):
    """The jobs of one broker. Every method raises BrokerUnavailable when the broker does not answer."""

    def __init__(self, url: str, settings: Settings) -> None:
        address = Address.of_broker(url)
        super().__init__(address, connect(address, "jobs"), settings)
        self.deaths = Deaths(address, self.redis, settings.job_ttl_s)

    @classmethod
    def from_settings(cls, settings: Settings) -> Jobs:
        """Return the jobs at `settings.jobs_url`; raises SettingsError when there is none."""
        return cls(settings.jobs_url, settings)

    @property
    def queue(self) -> Queue:
        """The queue of jobs of normal priority."""
        return self._queues.by_priority["normal"]

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()

    def new_id(self) -> str:
        """Return an id for a job that nobody can guess: 20 hexadecimal digits, 80 random bits."""
        return secrets.token_hex(10)

    def folder(self, job_id: str) -> JobFolder:
        """Return the folder of a job; raises JobError for a text that cannot be an id."""
        return JobFolder(self.settings.data_dir, job_id)

    def upload_dir(self, job_id: str) -> Path:
        """Return the folder for the uploads of a job, made if need be."""
        folder = self.folder(job_id)
        folder.make()
        uploads = folder.uploads
        uploads.mkdir(parents=True, exist_ok=True)
        return uploads

    # Asking for work

    def enqueue(
        self,
        kind: str,
        items: Sequence[Input],
        *,
        name: str,
        out: Path | None = None,
        options: Mapping[str, Option] | None = None,
        priority: str = "normal",
        webhook: str = "",
        job_id: str | None = None,
    ) -> JobView:
        """Queue a job over `items` and return it; `out` is made, without it, results go to the job's folder.

        While a job over the same inputs with the same options and the same `out` has not ended, that one is returned
        (`view.existed`) and nothing is queued. Raises InputError when there are no inputs or `out` cannot be written,
        and for a priority, an option or a format that jobs of this kind do not have, JobError for a kind or an address
        to call that cannot be used, JobConflict for an id that is taken, JobNotStored when the disk does not take it.
        """
        if not items:
            raise InputError(f"no {'videos' if kind == 'video' else 'pictures'} were given: name files or folders")
        fresh = job_id is None
        job_id = job_id or self.new_id()
        folder = self.folder(job_id)
        urgency = check_priority(priority)
        place = out.absolute() if out is not None else None
        inputs = Inputs(
            kind=check_kind(kind),
            out=place or folder.default_out,
            chunk_size=1 if kind == "video" else self._chunk_size(),
            items=items,
            options=check_job_options(kind, options or {}),
            webhook=check_webhook(webhook),
        )
        digest = inputs.digest(place) if fresh else ""
        existing = self._same(digest)
        if existing is not None:
            self._call_too(existing.id, inputs.webhook)
            return existing
        if place is None:
            with suppress(OSError):  # what cannot be made is said next
                folder.make()
        _make_writable(inputs.out)
        with broker_errors(self.address):
            if self.redis.exists(record_key(job_id)):
                raise JobConflict(f"job {job_id} is queued already")
        try:
            folder.make()
            folder.write_inputs(inputs)
        except OSError as error:
            raise JobNotStored(f"the job cannot be stored in {folder.path}: {error.strerror or error}") from error
        if not self._add(
            job_id, name, inputs, urgency, digest, next_calls(folder, inputs)
        ):  # the same job was queued in this moment
            if not fresh:
                raise JobConflict(f"job {job_id} is queued already")
            shutil.rmtree(folder.path, ignore_errors=True)
            return self._same(digest) or self.enqueue(
                kind, items, name=name, out=out, options=options, priority=priority, webhook=webhook
            )
        return self.get(job_id)

    def cancel(self, job_id: str) -> JobView:
        """Stop a job; workers leave it after the picture in hand. What is finished is kept for a retry."""
        self.get(job_id)
        self._end(job_id, None, "cancelled", "", self._has_webhook(job_id))
        return self.get(job_id)

    def retry(self, job_id: str) -> JobView:
        """Queue again what a job has not finished, or in a job that is done, the inputs that failed.

        Raises JobConflict when there is nothing to do again, JobNotStored when the job's folder cannot be changed.
        """
        view = self.get(job_id)
        if view.state == "done" and not view.failed:
            raise JobConflict(f"job {job_id} is done and none of its inputs failed: there is nothing to retry")
        folder = self.folder(job_id)
        inputs = folder.read_inputs()
        if view.state == "done":
            try:
                folder.forget_failures()
            except OSError as error:
                raise JobNotStored(f"{folder.path} cannot be changed: {error.strerror or error}") from error
        calls = next_calls(folder, inputs)
        # Tallies of what is done again are removed, so that nothing counts twice in the meantime.
        self.report(job_id, {str(each.args[0]): None for each in calls if each.args})
        self._begin_again(job_id, calls)
        return self.get(job_id)

    # Looking

    def get(self, job_id: str) -> JobView:
        """Return a job; raises JobError when there is none of that id."""
        self.folder(job_id)
        found = self._read([job_id])
        if not found:
            raise JobError(f"there is no job {job_id!r}: `mien jobs list` shows them")
        return found[0]

    def list(self, limit: int = 50) -> Views:
        """Return the newest jobs, the newest first."""
        return self._newest(limit)

    def failures(self, view: JobView) -> Sequence[Failure]:
        """Return every failure of a job, in the order of its inputs."""
        if len(view.failures) >= view.failed:
            return view.failures
        folder = self.folder(view.id)
        return [Failure(str(entry["path"]), str(entry["reason"])) for entry in folder.entries() if "reason" in entry]

    # What a worker says

    def measured(self, photos_per_s: float) -> None:
        """Say how fast a chunk was read, for the size of the next job's chunks."""
        if photos_per_s <= 0:
            return
        with broker_errors(self.address):
            known = cast("bytes | None", self.redis.get(_SPEED))
            mean = photos_per_s if known is None else 0.8 * float(known) + 0.2 * photos_per_s
            self.redis.set(_SPEED, f"{mean:.4g}")

    def enqueue_next(self, job_id: str, attempt: int, finished: Call | None = None) -> tuple[Call, ...]:
        """Queue what comes after a finished step, if nothing that must come before is still open; return it.

        All of it happens at once or not at all: a worker that dies in the middle does the step again, finds it
        finished, and asks again. Without `finished`, everything that comes next is queued. Raises JobError when the
        job's folder is gone.
        """
        group = finished.group if finished else ""
        calls = self._close(job_id, attempt, group, finished.step if finished else "", self._after)
        if group and calls is not None and not calls:  # this input has ended, perhaps as the last one
            calls = self._close(job_id, attempt, "", f"input-{group}", self._after)
        return calls or ()

    def _after(self, job_id: str, group: str) -> tuple[Call, ...]:
        folder = self.folder(job_id)
        return next_calls(folder, folder.read_inputs(), int(group) if group else None)

    def end(self, job_id: str, attempt: int, state: JobState, reason: str = "") -> bool:
        """End an attempt that is queued or running as done or failed; False when it was ended otherwise."""
        return self._end(job_id, attempt, state, reason, self._has_webhook(job_id))

    def _chunk_size(self) -> int:
        if self.settings.chunk_size:
            return self.settings.chunk_size
        with broker_errors(self.address):
            known = cast("bytes | None", self.redis.get(_SPEED))
        wanted = round(float(known) * _CHUNK_S) if known else _CHUNK_FIRST
        return max(_CHUNK_LEAST, min(_CHUNK_MOST, wanted))

    def _call_too(self, job_id: str, webhook: str) -> None:
        """Have a job that is there already call a webhook, if it calls none yet."""
        folder = self.folder(job_id)
        known = folder.read_inputs().webhook if webhook else ""
        if known not in ("", webhook):
            raise JobConflict(f"job {job_id} does the same already and calls another webhook: cancel it, or wait")
        if webhook and not known:
            folder.set_webhook(webhook)

    def _has_webhook(self, job_id: str) -> bool:
        try:
            return bool(self.folder(job_id).read_inputs().webhook)
        except JobError:  # a job whose folder is gone can be ended too
            return False


def _make_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"results cannot be written to {out}: {error.strerror}") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise InputError(f"results cannot be written to {out}: no permission")
