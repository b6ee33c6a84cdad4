from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mien.errors import JobError
from mien.inputs.input import Input
from mien.jobs.jobs import WEBHOOK, Jobs
from mien.settings import Settings
from worker.jobs.rq_worker import JobsWorker
from worker.jobs.step import give_up
from worker.jobs.webhook import WebhookFailed, Webhooks

ITEMS = [Input.of("/pictures/0.jpg", "0.jpg")]


@dataclass
class Listener:
    """A server that notes what it is sent and answers as it is told."""

    status: int = 200
    location: str = ""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.received.append((self.path, json.loads(body)))
            self.send_response(listener.status)
            if listener.location:
                self.send_header("Location", listener.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.address = f"http://127.0.0.1:{server.server_address[1]}/done?key=1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield listener
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def jobs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    monkeypatch.setattr("mien.jobs.queue.WEBHOOK_INTERVALS_S", (0, 0))
    return Jobs.from_settings(settings)


def work(jobs: Jobs) -> None:
    JobsWorker(jobs.redis, Webhooks(jobs).functions, lambda *failed: give_up(jobs, *failed), threading.Event()).run(
        until_empty=True
    )


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_job_that_has_ended_is_told_once(jobs: Jobs, listener: Listener, state: str) -> None:
    view = jobs.enqueue("photos", ITEMS, name="one", webhook=listener.address)
    jobs.queue.empty()
    if state == "cancelled":
        jobs.cancel(view.id)
        jobs.cancel(view.id)
    else:
        jobs.end(view.id, 1, state, "")  # type: ignore[arg-type]
        jobs.end(view.id, 1, "failed", "too late")
    work(jobs)
    assert listener.received == [("/done?key=1", jobs.get(view.id).to_dict())]
    assert listener.received[0][1]["state"] == state


def test_a_webhook_that_fails_is_called_three_times_and_the_job_stays_done(jobs: Jobs, listener: Listener) -> None:
    view = jobs.enqueue("photos", ITEMS, name="one", webhook=listener.address)
    jobs.queue.empty()
    listener.status = 500
    jobs.end(view.id, 1, "done")
    work(jobs)
    assert len(listener.received) == 3
    assert jobs.get(view.id).state == "done"


def test_redirects_are_not_followed(jobs: Jobs, listener: Listener) -> None:
    listener.status, listener.location = 302, listener.address.replace("done", "secret")
    view = jobs.enqueue("photos", ITEMS, name="one", webhook=listener.address)
    jobs.end(view.id, 1, "done")
    with pytest.raises(WebhookFailed, match="status 302"):
        Webhooks(jobs).send(view.id, 1)
    assert [path for path, _ in listener.received] == ["/done?key=1"]


def test_the_address_is_checked_again_when_it_is_called(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", ITEMS, name="one", webhook="http://127.0.0.1:9/")
    jobs.end(view.id, 1, "done")
    with pytest.raises(WebhookFailed, match="does not answer"):
        Webhooks(jobs).send(view.id, 1)
    path = jobs.folder(view.id).path / "inputs.json"
    path.write_text(path.read_text().replace("http://127.0.0.1:9/", "file:///etc/passwd"))
    with pytest.raises(JobError, match="must be an http or https address"):
        Webhooks(jobs).send(view.id, 1)


def test_a_job_without_webhook_calls_nobody(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", ITEMS, name="one")
    jobs.end(view.id, 1, "done")
    assert not jobs.redis.exists(f"rq:job:{view.id}-1-webhook")
    with pytest.raises(JobError, match="has no webhook"):
        Webhooks(jobs).functions[WEBHOOK](view.id, 1)
