from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from mien.errors import BrokerUnavailable, InputError, JobConflict, JobError, JobNotStored
from mien.inputs.input import Input
from mien.jobs.jobs import QUEUE, QUEUES, Failure, Jobs, JobView, Tally
from mien.jobs.steps import (
    PHOTO_CHUNK,
    PHOTO_REPORT,
    VIDEO_ANALYSE,
    VIDEO_FOLLOW,
    VIDEO_PLAN,
    VIDEO_REPORT,
    call,
)
from mien.settings import Settings
from tests.support.photo_jobs import enqueue_photos


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    return Jobs.from_settings(settings.model_copy(update={"chunk_size": 2}))


def five(jobs: Jobs, folder: str = "pictures") -> str:
    return enqueue_photos(jobs, [Path(f"/{folder}/{number}.jpg") for number in range(5)], name="five").id


def test_a_queued_job_is_seen_with_all_its_inputs(jobs: Jobs) -> None:
    view = jobs.get(five(jobs))
    assert (view.state, view.kind, view.name, view.inputs, view.done, view.failed) == (
        "queued",
        "photos",
        "five",
        5,
        0,
        0,
    )
    assert view.finished is None
    assert view.out.is_dir()
    assert jobs.list() == [view]


def test_inputs_are_split_into_one_rq_job_a_chunk(jobs: Jobs) -> None:
    job_id = five(jobs)
    assert jobs.queue.job_ids == [f"{job_id}-1-chunk-{chunk}" for chunk in range(3)]
    inputs = jobs.folder(job_id).read_inputs()
    assert [len(inputs.chunk(chunk)) for chunk in range(3)] == [2, 2, 1]
    assert sorted(index for chunk in range(3) for index in inputs.chunk(chunk)) == [0, 1, 2, 3, 4]


def test_rq_jobs_carry_json_and_our_own_times(jobs: Jobs) -> None:
    job_id = five(jobs)
    job = jobs.queue.fetch_job(f"{job_id}-1-chunk-0")
    assert job is not None
    assert job.data == f'["worker.photos.run_chunk", null, ["{job_id}", 1, 0], {{}}]'.encode()
    assert (job.timeout, job.failure_ttl) == (jobs.settings.job_timeout_s, jobs.settings.job_ttl_s)
    assert job.retries_left


def test_jobs_are_listed_newest_first_up_to_the_limit(jobs: Jobs) -> None:
    ids = [five(jobs, folder) for folder in ("a", "b", "c")]
    assert [view.id for view in jobs.list(2)] == ids[:0:-1]


def test_ids_cannot_be_guessed_and_never_leave_the_folder(jobs: Jobs) -> None:
    assert len({jobs.new_id() for _ in range(100)}) == 100
    assert len(jobs.new_id()) == 20
    for bad in ("../../etc", "", "x" * 20, "0" * 65, "abcdef12/.."):
        with pytest.raises(JobError, match="no job"):
            jobs.get(bad)
        with pytest.raises(JobError, match="no job"):
            jobs.upload_dir(bad)


def test_an_unknown_job_is_one_clear_line(jobs: Jobs) -> None:
    with pytest.raises(JobError, match="there is no job 'abcdef0123'"):
        jobs.get("abcdef0123")


def test_uploads_are_shown_by_their_names(jobs: Jobs) -> None:
    job_id = jobs.new_id()
    picture = jobs.upload_dir(job_id) / "0.jpg"
    picture.write_bytes(b"")
    enqueue_photos(jobs, [picture], name="upload", job_id=job_id, labels=["../../holiday é.jpg"])
    (item,) = jobs.folder(job_id).read_inputs().items
    assert (item.address.path, item.label) == (picture, "../../holiday é.jpg")


def test_an_id_serves_one_job_only(jobs: Jobs) -> None:
    job_id = five(jobs)
    with pytest.raises(JobConflict, match="queued already"):
        enqueue_photos(jobs, [Path("other.jpg")], name="other", job_id=job_id)


def test_no_pictures_and_no_place_for_results_are_refused(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        enqueue_photos(jobs, [], name="none")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="results cannot be written"):
        enqueue_photos(jobs, [Path("a.jpg")], name="a", out=tmp_path / "file" / "out")
    assert jobs.list() == []


def test_a_data_folder_that_takes_nothing_is_one_clear_line(jobs: Jobs, tmp_path: Path) -> None:
    jobs.settings.data_dir.write_text("a file where a folder should be")
    with pytest.raises(JobNotStored, match="the job cannot be stored in"):
        jobs.enqueue("photos", [Input.of("/a.jpg", "a.jpg")], name="a", out=tmp_path / "out")
    assert jobs.list() == []


def test_a_cancelled_job_is_not_wanted_any_more(jobs: Jobs) -> None:
    job_id = five(jobs)
    assert jobs.is_wanted(job_id, 1)
    view = jobs.cancel(job_id)
    assert view.state == "cancelled"
    assert view.finished is not None
    assert not jobs.is_wanted(job_id, 1)
    assert not jobs.end(job_id, 1, "done")
    assert jobs.cancel(job_id) == view


def test_a_retry_is_a_new_attempt_and_ends_the_old_one(jobs: Jobs) -> None:
    job_id = five(jobs)
    jobs.cancel(job_id)
    assert jobs.retry(job_id).state == "queued"
    assert not jobs.is_wanted(job_id, 1)
    assert jobs.is_wanted(job_id, 2)
    assert jobs.queue.job_ids[-3:] == [f"{job_id}-2-chunk-{chunk}" for chunk in range(3)]


def test_a_retry_leaves_finished_chunks_alone(jobs: Jobs) -> None:
    job_id = five(jobs)
    folder = jobs.folder(job_id)
    folder.write_part(folder.part(1), {2: {"path": "2.jpg"}, 3: {"path": "3.jpg"}})
    jobs.cancel(job_id)
    jobs.retry(job_id)
    assert jobs.queue.job_ids[-2:] == [f"{job_id}-2-chunk-0", f"{job_id}-2-chunk-2"]


def test_a_retry_of_a_finished_job_reads_only_what_failed(jobs: Jobs) -> None:
    job_id = enqueue_photos(jobs, [Path(f"{number}.jpg") for number in range(2)], name="two").id
    folder = jobs.folder(job_id)
    folder.write_part(folder.part(0), {0: {"path": "0.jpg", "reason": "gone"}, 1: {"path": "1.jpg", "faces": []}})
    jobs.report(job_id, {0: Tally(1, 1, 0, (Failure("0.jpg", "gone"),))})
    jobs.end(job_id, 1, "done")
    jobs.retry(job_id)
    assert jobs.queue.job_ids[-1] == f"{job_id}-2-chunk-0"
    assert folder.read_part(folder.partial(0)) == {1: {"path": "1.jpg", "faces": []}}
    assert folder.finished_chunks() == set()


def test_a_job_without_failures_cannot_be_retried(jobs: Jobs) -> None:
    job_id = five(jobs)
    jobs.report(job_id, {0: Tally(5, 0, 2)})
    jobs.end(job_id, 1, "done")
    with pytest.raises(JobConflict, match="nothing to retry"):
        jobs.retry(job_id)


def test_progress_is_absolute_so_that_saying_it_twice_changes_nothing(jobs: Jobs) -> None:
    job_id = five(jobs)
    for _ in range(2):
        jobs.report(job_id, {2: Tally(0, 1, 0, (Failure("4.jpg", "not a picture"),)), 0: Tally(2, 0, 3)})
    view = jobs.get(job_id)
    assert (view.done, view.failed, view.faces) == (2, 1, 3)
    assert view.failures == (Failure("4.jpg", "not a picture"),)


def test_the_report_is_queued_once_whoever_asks(jobs: Jobs) -> None:
    job_id = five(jobs)
    folder = jobs.folder(job_id)
    for chunk in range(3):
        folder.write_part(folder.part(chunk), {})
    for _ in range(3):
        jobs.enqueue_next(job_id, 1)
    assert jobs.queue.job_ids.count(f"{job_id}-1-report") == 1


def test_finished_jobs_are_forgotten_after_their_time(jobs: Jobs, broker_url: str) -> None:
    job_id = five(jobs)
    jobs.end(job_id, 1, "failed", "the disk is full")
    assert jobs.get(job_id).reason == "the disk is full"
    with redis.Redis.from_url(broker_url) as client:
        assert 0 < client.ttl(f"mien:job:{job_id}") <= jobs.settings.job_ttl_s
        client.delete(f"mien:job:{job_id}")
    assert jobs.list() == []


def test_the_same_asked_for_twice_is_one_job_while_it_has_not_ended(jobs: Jobs, tmp_path: Path) -> None:
    items = [Input.of(f"/pictures/{number}.jpg", f"{number}.jpg") for number in range(5)]

    def ask(**changes: Any) -> JobView:
        wanted: dict[str, Any] = {"out": tmp_path / "out", "options": {"annotate": True}, **changes}
        return jobs.enqueue("photos", items, name="five", **wanted)

    first = ask()
    again = ask()
    assert (again.id, again.existed, first.existed) == (first.id, True, False)
    others = [ask(options={"annotate": False}), ask(out=tmp_path / "other"), ask(out=None)]
    assert len({first.id, *(other.id for other in others)}) == 4
    assert not any(other.existed for other in others)
    assert ask(out=None).id == others[2].id
    jobs.end(first.id, 1, "done")
    assert ask().id != first.id
    assert len(jobs.list()) == 5
    assert sorted(path.name for path in (jobs.settings.data_dir / "jobs").iterdir()) == sorted(
        view.id for view in jobs.list()
    )


def test_who_asks_for_the_same_again_is_told_of_its_end_too(jobs: Jobs) -> None:
    items = [Input.of("/a.jpg", "a.jpg")]
    view = jobs.enqueue("photos", items, name="a")
    for _ in range(2):
        assert jobs.enqueue("photos", items, name="a", webhook="http://127.0.0.1/one").id == view.id
    assert jobs.enqueue("photos", items, name="a").id == view.id
    assert jobs.folder(view.id).read_inputs().webhook == "http://127.0.0.1/one"
    with pytest.raises(JobConflict, match="calls another webhook"):
        jobs.enqueue("photos", items, name="a", webhook="http://127.0.0.1/two")
    jobs.end(view.id, 1, "done")
    assert jobs.redis.exists(f"rq:job:{view.id}-1-webhook")


def test_a_priority_is_a_queue_that_every_step_of_the_job_goes_to(jobs: Jobs) -> None:
    view = jobs.enqueue("photos", [Input.of("/a.jpg", "a.jpg")], name="a", priority="high")
    assert (view.priority, view.to_dict()["priority"]) == ("high", "high")
    folder = jobs.folder(view.id)
    folder.write_part(folder.part(0), {})
    jobs.enqueue_next(view.id, 1)
    jobs.cancel(view.id)
    jobs.retry(view.id)
    steps = ["1-chunk-0", "1-report", "2-report"]
    assert jobs.redis.lrange(f"rq:queue:{QUEUES['high']}", 0, -1) == [f"{view.id}-{step}".encode() for step in steps]
    assert jobs.queue.job_ids == []
    with pytest.raises(InputError, match="no priority 'urgent': choose from high, normal, low"):
        jobs.enqueue("photos", [Input.of("/a.jpg", "a.jpg")], name="a", priority="urgent")


def test_what_cannot_be_a_job_is_refused(jobs: Jobs) -> None:
    items = [Input.of("/a.jpg", "a.jpg")]
    with pytest.raises(JobError, match="no jobs of kind 'music'"):
        jobs.enqueue("music", items, name="a")
    with pytest.raises(InputError, match="no option 'a'"):
        jobs.enqueue("photos", items, name="a", options={"a": None})  # type: ignore[dict-item]
    for address in ("ftp://a/", "file:///etc/passwd", "http://", "https://a b/", "http://a:b/", "javascript:1", "//a"):
        with pytest.raises(JobError, match="must be an http or https address"):
            jobs.enqueue("photos", items, name="a", webhook=address)
    assert jobs.list() == []


def test_chunks_are_about_ten_seconds_of_work_as_measured(settings: Settings) -> None:
    jobs = Jobs.from_settings(settings)

    def size(name: str) -> int:
        return jobs.folder(jobs.enqueue("photos", [Input.of(name, name)], name=name).id).read_inputs().chunk_size

    assert size("before any was measured") == 32
    for _ in range(3):
        jobs.measured(12.0)
    assert size("at 12 pictures a second") == 120
    jobs.measured(0.0)
    for _ in range(30):
        jobs.measured(500.0)
    assert size("fast") == 512
    for _ in range(60):
        jobs.measured(0.1)
    assert size("slow") == 8


def test_videos_are_one_input_each_and_counted_in_frames(jobs: Jobs) -> None:
    view = jobs.enqueue("video", [Input.of("/a.mp4", "a"), Input.of("/b.mp4", "b")], name="two")
    assert jobs.queue.job_ids == [f"{view.id}-1-plan-0", f"{view.id}-1-plan-1"]
    assert (view.unit, view.noun, view.progress) == ("frames", "videos", 0.0)
    jobs.report(view.id, {"0-analyse-0": Tally(units=(450, 900)), "1-analyse-0": Tally(units=(0, 300))})
    view = jobs.get(view.id)
    assert (view.done, view.work, view.progress) == (0, (450, 1200), 0.375)
    assert view.to_dict()["units_done"] == 450


def test_a_step_is_followed_by_the_next_when_it_was_the_last_of_its_kind(jobs: Jobs) -> None:
    job_id = five(jobs)
    folder = jobs.folder(job_id)
    for chunk in (2, 0):
        folder.write_part(folder.part(chunk), {})
        assert jobs.enqueue_next(job_id, 1, call(PHOTO_CHUNK, chunk)) == ()
    folder.write_part(folder.part(1), {})
    assert jobs.enqueue_next(job_id, 1, call(PHOTO_CHUNK, 1)) == (call(PHOTO_REPORT),)
    for _ in range(3):  # a worker that died after this does the step again
        assert jobs.enqueue_next(job_id, 1, call(PHOTO_CHUNK, 1)) == ()
    assert jobs.queue.job_ids.count(f"{job_id}-1-report") == 1


def test_a_video_does_not_wait_for_another_one(jobs: Jobs) -> None:
    job_id = jobs.enqueue("video", [Input.of("/a.mp4", "a"), Input.of("/b.mp4", "b")], name="two").id
    first, second = jobs.folder(job_id).video(0), jobs.folder(job_id).video(1)
    (first / "analysed").mkdir(parents=True)
    (first / "plan.json").write_text('{"segments": 2, "render": false}')
    analyse = (call(VIDEO_ANALYSE, 0, 0), call(VIDEO_ANALYSE, 0, 1))
    assert jobs.enqueue_next(job_id, 1, call(VIDEO_PLAN, 0)) == analyse
    for segment in range(2):
        (first / "analysed" / f"{segment}.npz").touch()
    assert jobs.enqueue_next(job_id, 1, analyse[0]) == ()
    assert jobs.enqueue_next(job_id, 1, analyse[1]) == (call(VIDEO_FOLLOW, 0),)
    (first / "done.json").write_text('{"path": "a", "reason": "no face"}')
    assert jobs.enqueue_next(job_id, 1, call(VIDEO_FOLLOW, 0)) == ()
    second.mkdir()
    (second / "done.json").write_text('{"path": "b", "faces": 1}')
    assert jobs.enqueue_next(job_id, 1, call(VIDEO_PLAN, 1)) == (call(VIDEO_REPORT),)
    assert jobs.queue.job_ids[2:] == [
        f"{job_id}-1-{step}" for step in ("analyse-0-0", "analyse-0-1", "follow-0", "report")
    ]


def test_a_retry_of_videos_forgets_all_of_what_failed_and_nothing_else(jobs: Jobs) -> None:
    job_id = jobs.enqueue("video", [Input.of("/a.mp4", "a"), Input.of("/b.mp4", "b")], name="two").id
    folder = jobs.folder(job_id)
    for index, entry in enumerate(('{"path": "a", "reason": "breaks off"}', '{"path": "b", "faces": 1}')):
        folder.video(index).mkdir(parents=True)
        (folder.video(index) / "plan.json").write_text('{"segments": 1}')
        (folder.video(index) / "done.json").write_text(entry)
    jobs.report(job_id, {0: Tally(0, 1, 0, (Failure("a", "breaks off"),)), 1: Tally(1, 0, 1)})
    jobs.end(job_id, 1, "done")
    view = jobs.retry(job_id)
    assert (view.done, view.failed, view.failures) == (1, 0, ())
    assert jobs.queue.job_ids[-1] == f"{job_id}-2-plan-0"
    assert not folder.video(0).exists()
    assert (folder.video(1) / "done.json").exists()


def test_only_the_first_failures_are_kept_in_the_broker(jobs: Jobs) -> None:
    items = [Input.of(f"/{number}.jpg", f"{number}.jpg") for number in range(4000)]
    job_id = jobs.enqueue("photos", items, name="bad").id
    folder = jobs.folder(job_id)
    for chunk in range(2000):
        entries = {index: {"path": f"{index}.jpg", "reason": "gone"} for index in (2 * chunk, 2 * chunk + 1)}
        failures = tuple(Failure(entry["path"], entry["reason"]) for entry in entries.values())
        jobs.report(job_id, {chunk: Tally(0, 2, 0, failures)})
        folder.write_part(folder.part(chunk), entries, synced=False)
    view = jobs.get(job_id)
    assert (view.failed, len(view.failures), view.failures[-1].path) == (4000, 1000, "999.jpg")
    assert [failure.path for failure in jobs.failures(view)] == [item.label for item in items]


def test_a_tally_that_is_forgotten_counts_no_more(jobs: Jobs) -> None:
    job_id = five(jobs)
    jobs.report(job_id, {0: Tally(1, 1, 5, (Failure("0.jpg", "gone"),)), 1: Tally(2, 0, 1)})
    jobs.report(job_id, {0: None, 7: None})
    view = jobs.get(job_id)
    assert (view.done, view.failed, view.faces, view.failures) == (2, 0, 1, ())
    jobs.report("abcdef0123", {0: Tally(1)})  # a job that is long forgotten
    assert jobs.redis.keys("mien:job:abcdef0123*") == []


def test_how_long_a_job_will_take_is_told_from_what_it_did_since_it_began() -> None:
    view = JobView("a", "photos", "running", "a", 0.0, None, 100, 60, 0, 0, (), Path(), started=1000.0, earlier=40)
    assert view.eta_from(1010.0) == 20.0
    assert replace(view, earlier=60).eta_from(1010.0) is None
    assert replace(view, state="cancelled").eta_from(1010.0) is None


def test_a_broker_that_is_away_is_one_clear_error(tmp_path: Path) -> None:
    jobs = Jobs(f"unix://{tmp_path}/none.sock", Settings(data_dir=tmp_path))
    for ask in (jobs.ping, jobs.list, lambda: five(jobs)):
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            ask()


def test_a_hundred_thousand_inputs_are_queued_in_seconds(settings: Settings) -> None:
    jobs = Jobs.from_settings(settings)
    view = enqueue_photos(jobs, [Path(f"/pictures/{number}.jpg") for number in range(100_000)], name="many")
    assert view.inputs == 100_000
    assert jobs.redis.llen(f"rq:queue:{QUEUE}") == 3125
