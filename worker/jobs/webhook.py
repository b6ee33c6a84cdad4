"""Tells another program that a job has ended: a POST of the job as JSON to the address that its owner named."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from mien.errors import JobError, MienError, line_of
from mien.jobs.jobs import Jobs
from mien.jobs.request import check_webhook
from mien.jobs.steps import WEBHOOK
from mien.logs import get_logger
from worker.jobs.step import whole

TIMEOUT_S = 5.0

log = get_logger(__name__)


class WebhookFailed(MienError):
    """The address of a webhook does not answer as it should."""


class Webhooks:
    """The function that calls webhooks.

    The address is in the job's folder, where only this machine's owner writes, never in the queue, and is checked again
    here. Redirects are not followed, and nothing of the answer is kept.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._opener = urllib.request.build_opener(_NoRedirects)

    @property
    def functions(self) -> Mapping[str, Callable[..., object]]:
        """The function by the name that the queue carries."""
        return {WEBHOOK: self.send}

    def send(self, job_id: str, attempt: int) -> None:
        """Call the webhook of a job that has ended; raises WebhookFailed when it does not take the message."""
        whole(attempt)
        view = self._jobs.get(job_id)
        if not view.ended:  # somebody has it tried again meanwhile
            return
        address = check_webhook(self._jobs.folder(job_id).read_inputs().webhook)
        if not address:
            raise JobError(f"job {job_id} has no webhook")
        post(self._opener, address, view.to_dict())
        log.info("webhook called", job=job_id)


def post(opener: urllib.request.OpenerDirector, address: str, document: Mapping[str, Any]) -> None:
    """POST a JSON document; raises WebhookFailed for any answer but 2xx."""
    request = urllib.request.Request(
        address,
        data=json.dumps(document).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "mien"},
        method="POST",
    )
    try:
        with opener.open(request, timeout=TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise WebhookFailed(f"the webhook answered with status {error.code}") from None
    except (OSError, ValueError) as error:  # URLError is an OSError; ValueError: http.client's own
        raise WebhookFailed(f"the webhook does not answer: {line_of(getattr(error, 'reason', error))}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: an address that was checked must not lead to one that was not."""
