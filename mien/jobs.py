"""Jobs: queued by the command line and the dashboard, worked on by `mien jobs work`, seen by all three.

A job is a record in the jobs broker and a folder (see `mien.jobfiles`). Its inputs are split into chunks, one RQ job
each. RQ decides who works on what and brings back what a dead worker held; a chunk counts as finished when its
file is in the folder, so doing one twice changes nothing. Only this module and `mien.jobview` know what the broker
stores.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from mien.broker import broker_errors, connect
from mien.errors import InputError, JobError
from mien.jobfiles import Input, Inputs, JobFolder
from mien.jobview import Failure, JobState, JobView, Tally, view_of
from mien.settings import Settings

if TYPE_CHECKING:
    from rq.queue import EnqueueData

__all__ = ["JOB_FUNCTIONS", "PHOTO_CHUNK", "PHOTO_REPORT", "QUEUE", "Failure", "JobView", "Jobs", "Tally"]

QUEUE = "mien"
PHOTO_CHUNK = "worker.photos.run_chunk"
PHOTO_REPORT = "worker.photos.write_report"
JOB_FUNCTIONS = frozenset({PHOTO_CHUNK, PHOTO_REPORT})
"""The only names that a worker runs; it looks them up in a table and imports nothing by name."""

_INDEX = "mien:jobs"
Views = list[JobView]
Calls = list["EnqueueData"]

# A worker that dies costs one try. Five deaths over the same 32 pictures are no accident any more.
_RETRIES = 5
# What RQ remembers of a finished chunk serves nobody: the chunk's file is the truth.
_CHUNK_RESULT_TTL_S = 600


def record_key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"mien:job:{job_id}"


def chunks_key(job_id: str) -> str:
    """Return the key of the tallies of a job's chunks."""
    return f"mien:job:{job_id}:chunks"


class Jobs:
    """The jobs of one broker. Every method raises BrokerUnavailable when the broker does not answer."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.redis = connect(url, "jobs")
        self.queue = Queue(QUEUE, connection=self.redis, serializer=JSONSerializer)
        script = resources.files("mien") / "lua" / "advance.lua"
        self._advance = self.redis.register_script(script.read_text())

    @classmethod
    def from_settings(cls, settings: Settings) -> Jobs:
        """Return the jobs at `settings.jobs_url`; raises SettingsError when there is none."""
        return cls(settings.jobs_url, settings)

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()

    def ping(self) -> None:
        """Raise BrokerUnavailable when the broker does not answer."""
        with broker_errors(self.url):
            self.redis.ping()

    def new_id(self) -> str:
        """Return an id for a job that nobody can guess: 20 hexadecimal digits, 80 random bits."""
        return secrets.token_hex(10)

    def folder(self, job_id: str) -> JobFolder:
        """Return the folder of a job; raises JobError for a text that cannot be an id."""
        return JobFolder(self.settings.data_dir, job_id)

    def upload_dir(self, job_id: str) -> Path:
        """Return the folder for the uploads of a job, made if need be."""
        uploads = self.folder(job_id).uploads
        uploads.mkdir(parents=True, exist_ok=True)
        return uploads

    # Asking for work

    def enqueue_photos(
        self,
        paths: Sequence[Path],
        *,
        name: str,
        out: Path | None = None,
        annotate: bool = True,
        job_id: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> JobView:
        """Queue a job over picture files and return it.

        `labels` are the names of uploads in results and failures; without them the paths are. `out` is made.
        Raises InputError when there are no paths or `out` cannot be written, JobError when the id is taken.
        """
        if not paths:
            raise InputError("no pictures were given: name files or folders")
        job_id = job_id or self.new_id()
        folder = self.folder(job_id)
        names = labels if labels is not None else [str(path) for path in paths]
        inputs = Inputs(
            kind="photos",
            out=_writable(out.absolute() if out is not None else folder.default_out),
            annotate=annotate,
            chunk_size=self.settings.chunk_size,
            items=tuple(Input(path.absolute(), label) for path, label in zip(paths, names, strict=True)),
        )
        with broker_errors(self.url):
            if self.redis.exists(record_key(job_id)):
                raise JobError(f"job {job_id} is queued already")
            folder.write_inputs(inputs)
            self._store(job_id, name, inputs)
        return self.get(job_id)

    def cancel(self, job_id: str) -> JobView:
        """Stop a job; workers leave it after the picture in hand. What is finished is kept for a retry."""
        self.get(job_id)
        if self.advance(job_id, ("queued", "running"), state="cancelled", finished=repr(time.time())):
            self._remember_for_a_while(job_id)
        return self.get(job_id)

    def retry(self, job_id: str) -> JobView:
        """Queue again what a job has not finished, or in a job that is done, the inputs that failed.

        Raises JobError when there is nothing to do again.
        """
        view = self.get(job_id)
        if view.state == "done" and not view.failed:
            raise JobError(f"job {job_id} is done and none of its inputs failed: there is nothing to retry")
        folder = self.folder(job_id)
        inputs = folder.read_inputs()
        try:
            with broker_errors(self.url), self.redis.pipeline(transaction=True) as pipe:
                pipe.watch(record_key(job_id))  # type: ignore[no-untyped-call]
                attempt = int(cast(bytes, pipe.hget(record_key(job_id), "attempt"))) + 1
                if view.state == "done":
                    folder.forget_failures()
                missing = sorted(set(range(inputs.chunks)) - folder.finished_chunks())
                pipe.multi()
                pipe.hset(
                    record_key(job_id),
                    mapping={"state": "queued", "attempt": attempt, "finished": "", "reason": ""},
                )
                pipe.persist(record_key(job_id))
                pipe.persist(chunks_key(job_id))
                if missing:
                    pipe.hdel(chunks_key(job_id), *map(str, missing))
                self.queue.enqueue_many(self._calls(job_id, attempt, missing), pipeline=pipe)
                pipe.execute()
            if not missing:
                self.enqueue_report(job_id, attempt)
        except redis.WatchError:  # somebody else moved the job in this moment
            pass
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
        with broker_errors(self.url):
            ids = [key.decode() for key in cast(Iterable[bytes], self.redis.zrevrange(_INDEX, 0, max(0, limit - 1)))]
        views = self._read(ids)
        expired = set(ids) - {view.id for view in views}
        if expired:
            with broker_errors(self.url):
                self.redis.zrem(_INDEX, *expired)
        return views

    # What a worker says

    def advance(self, job_id: str, states: Iterable[JobState], attempt: int | None = None, **fields: str) -> bool:
        """Set fields of a job's record if it is in one of `states` (and at this attempt); say whether it was."""
        allowed = "".join(f"{state}," for state in states)
        pairs = [part for pair in fields.items() for part in pair]
        with broker_errors(self.url):
            moved = self._advance(
                keys=[record_key(job_id)], args=[allowed, "" if attempt is None else str(attempt), *pairs]
            )
        return bool(moved)

    def is_wanted(self, job_id: str, attempt: int) -> bool:
        """Say whether an attempt is still to be worked on: not cancelled, not replaced by a retry."""
        with broker_errors(self.url):
            state, current = self.redis.hmget(record_key(job_id), "state", "attempt")
        return state in (b"queued", b"running") and current == str(attempt).encode()

    def report(self, job_id: str, tallies: dict[int, Tally]) -> None:
        """Say how far chunks are."""
        with broker_errors(self.url):
            self.redis.hset(
                chunks_key(job_id), mapping={str(chunk): tally.to_json() for chunk, tally in tallies.items()}
            )

    def enqueue_report(self, job_id: str, attempt: int) -> None:
        """Queue the last step of a job, once, whoever asks for it how often."""
        settings = self._call_settings(job_id, attempt, "report")
        with broker_errors(self.url):
            try:
                call = self.queue.create_job(PHOTO_REPORT, args=[job_id, attempt], **settings)
                self.queue.enqueue_job(call, unique=True)
            except DuplicateJobError:
                return

    def end(self, job_id: str, attempt: int, state: JobState, reason: str = "") -> bool:
        """End an attempt that is queued or running as done or failed; False when it was ended otherwise."""
        ended = self.advance(
            job_id, ("queued", "running"), attempt, state=state, finished=repr(time.time()), reason=reason
        )
        if ended:
            self._remember_for_a_while(job_id)
        return ended

    def _store(self, job_id: str, name: str, inputs: Inputs) -> None:
        created = time.time()
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(
                record_key(job_id),
                mapping={
                    "kind": inputs.kind,
                    "name": name.encode("utf-8", "replace").decode(),
                    "state": "queued",
                    "attempt": 1,
                    "created": repr(created),
                    "finished": "",
                    "inputs": len(inputs.items),
                    "out": os.fsencode(inputs.out),
                    "reason": "",
                },
            )
            pipe.zadd(_INDEX, {job_id: created})
            self.queue.enqueue_many(self._calls(job_id, 1, range(inputs.chunks)), pipeline=pipe)
            pipe.execute()

    def _calls(self, job_id: str, attempt: int, chunks: Iterable[int]) -> Calls:
        """Return the RQ jobs for chunks."""
        return [
            Queue.prepare_data(
                PHOTO_CHUNK, args=[job_id, attempt, chunk], **self._call_settings(job_id, attempt, str(chunk))
            )
            for chunk in chunks
        ]

    def _call_settings(self, job_id: str, attempt: int, what: str) -> dict[str, Any]:
        # RQ allows letters, digits, underscores and dashes in an id. A retry gets ids of its own, so that nothing
        # that RQ still holds of an earlier attempt can get in its way.
        return {
            "job_id": f"{job_id}-{attempt}-{what}",
            "timeout": self.settings.job_timeout_s,
            "result_ttl": _CHUNK_RESULT_TTL_S,
            "failure_ttl": self.settings.job_ttl_s,
            "description": f"job {job_id}, attempt {attempt}, {what}",
            "retry": Retry(max=_RETRIES),
        }

    def _read(self, ids: Sequence[str]) -> Views:
        with broker_errors(self.url), self.redis.pipeline(transaction=True) as pipe:
            for job_id in ids:
                pipe.hgetall(record_key(job_id))
                pipe.hgetall(chunks_key(job_id))
            answers = pipe.execute()
        pairs = zip(ids, answers[::2], answers[1::2], strict=True)
        return [
            view_of(job_id, record, [(int(chunk), tally) for chunk, tally in chunks.items()])
            for job_id, record, chunks in pairs
            if record
        ]

    def _remember_for_a_while(self, job_id: str) -> None:
        with broker_errors(self.url), self.redis.pipeline(transaction=True) as pipe:
            pipe.expire(record_key(job_id), self.settings.job_ttl_s)
            pipe.expire(chunks_key(job_id), self.settings.job_ttl_s)
            pipe.execute()


def _writable(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"results cannot be written to {out}: {error.strerror}") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise InputError(f"results cannot be written to {out}: no permission")
    return out
