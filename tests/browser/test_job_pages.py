"""Jobs as a person sees them, in a real browser, over results that are laid out as workers lay them out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mien.jobs.jobs import Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.browser.conftest import OpenPage
from tests.dashboard import results

pytestmark = pytest.mark.browser


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    jobs = Jobs.from_settings(settings.model_copy(update={"chunk_size": 10}))
    yield jobs
    jobs.close()


def queued(jobs: Jobs, kind: str = "photos", count: int = 1, name: str = "one", priority: str = "normal") -> JobView:
    items = [results.item(f"/data/{name}-{number}.mp4") for number in range(count)]
    return jobs.enqueue(kind, items, name=name, priority=priority)


def photos(jobs: Jobs, count: int, failed: int = 0) -> JobView:
    job = queued(jobs, "photos", count + failed, "holiday")
    bad = [{"path": f"bad-{number}.jpg", "reason": "the file is empty"} for number in range(failed)]
    results.finish_photos(jobs, job, [*(results.entry_of(number) for number in range(count)), *bad])
    return job


def fits_a_phone(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= 360"))


def test_the_list_is_filtered_and_says_what_to_do_when_it_is_empty(open_page: OpenPage, jobs: Jobs) -> None:
    page = open_page("/jobs")
    expect(page.locator("#no-jobs")).to_contain_text("mien video enqueue")
    expect(page.locator("#filters")).to_be_hidden()
    photos(jobs, 2, failed=1)
    queued(jobs, "video", 3, "season", "high")
    expect(page.locator(".job")).to_have_count(2)
    first = page.locator(".job").first
    expect(first).to_contain_text("high priority")
    expect(first).to_contain_text("0 of 3 videos")
    expect(page.locator(".job").nth(1)).to_contain_text("3 of 3 pictures")
    expect(page.locator(".job").nth(1)).to_contain_text("1 failed")
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".job")).to_have_count(1)
    expect(page.locator(".job-title")).to_have_text("holiday")
    page.reload(wait_until="domcontentloaded")
    expect(page.locator(".job-title")).to_have_text("holiday")
    page.get_by_label("Kind").select_option("evaluation")
    expect(page.locator("#no-match")).to_be_visible()
    page.get_by_role("button", name="Show all jobs").click()
    expect(page.locator(".job")).to_have_count(2)
    page.get_by_role("button", name="Cancel season").click()
    expect(first.locator(".badge-state")).to_have_text("cancelled")
    page.get_by_role("button", name="Retry season").click()
    expect(first.locator(".badge-state")).to_have_text("queued")


def test_the_gallery_is_loaded_page_by_page_and_opened_by_keyboard(open_page: OpenPage, jobs: Jobs) -> None:
    job = photos(jobs, 60)
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator(".picture")).to_have_count(48)
    expect(page.locator("#pictures-title")).to_have_text("Pictures (48 of 60)")
    page.locator(".picture-open").nth(46).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#lightbox-title")).to_have_text("46.jpg")
    expect(page.locator(".lightbox .face strong")).to_have_text("happy")
    expect(page.locator(".lightbox .face .prob")).to_have_count(4)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # the next page begins here
    expect(page.locator("#lightbox-title")).to_have_text("48.jpg")
    page.wait_for_function("() => document.querySelector('#lightbox-image').naturalWidth === 320")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#lightbox-title")).to_have_text("47.jpg")
    expect(page.locator(".lightbox .face strong")).to_have_text("sad")
    page.locator(".lightbox .face").focus()
    expect(page.locator("#lightbox-boxes rect")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#lightbox")).to_be_hidden()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Open 47.jpg: 1 face"
    expect(page.locator(".picture")).to_have_count(60)
    expect(page.locator("#more")).to_be_hidden()
    page.get_by_label("Show").select_option("sad")
    expect(page.locator(".picture")).to_have_count(30)
    page.get_by_label("From number").fill("51")
    page.keyboard.press("Enter")
    expect(page.locator(".picture")).to_have_count(5)


def test_failures_are_listed_in_pages_and_everything_can_be_downloaded(open_page: OpenPage, jobs: Jobs) -> None:
    job = photos(jobs, 2, failed=70)
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator("#failures-title")).to_have_text("Could not be read (70)")
    expect(page.locator("#failures tr")).to_have_count(50)
    page.locator("#more-failures").click()
    expect(page.locator("#failures tr")).to_have_count(70)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of all failures").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 71
    page.locator("#downloads summary").click()
    expect(page.get_by_role("link", name="Parquet")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="Everything as one zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist())[:2] == ["annotated/1-0.jpg", "annotated/2-1.jpg"]
    expect(page.locator("#downloads")).not_to_have_attribute("open", "")


def test_a_video_is_played_and_its_report_has_no_rights_here(open_page: OpenPage, browser: Browser, jobs: Jobs) -> None:
    job = queued(jobs, "video", 2, "clip")
    results.finish_videos(jobs, job, ("", "no video track"))
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator(".video-row")).to_have_count(2)
    expect(page.locator(".video-row").nth(1)).to_contain_text("failed")
    expect(page.locator(".video-detail")).to_contain_text("Frames without a face")
    expect(page.locator(".tracks tbody tr")).to_have_count(1)
    page.wait_for_function("() => { const v = document.querySelector('video'); return v.error || v.duration > 1; }")
    page.locator("iframe").scroll_into_view_if_needed()
    expect(page.frame_locator("iframe").locator("#told")).to_contain_text("no cookie, no parent")
    alone = browser.new_page()  # what its policy refuses is expected here
    alone.goto(page.locator("iframe").evaluate("frame => frame.src") + "?try")
    expect(alone.locator("#told")).to_have_text("no cookie, parent, no fetch")  # alone, it is its own parent
    assert alone.evaluate("origin") == "null"
    alone.close()
    page.locator(".video-row").nth(1).click()
    expect(page.locator(".video-detail")).to_contain_text("no video track")


def test_videos_and_pictures_become_a_job_each(open_page: OpenPage, jobs: Jobs, tmp_path: Path) -> None:
    clip, song, photo = tmp_path / "clip.mp4", tmp_path / "song.mp4", tmp_path / "photo.png"
    clip.write_bytes(results.mp4(0.5))
    song.write_bytes(results.sound_only())
    photo.write_bytes(results.png(40, 30))
    page = open_page("/jobs")
    page.get_by_label("Priority").select_option("low")
    page.locator("#files").set_input_files([clip, song, photo])
    expect(page.locator(".job")).to_have_count(2)
    expect(page.locator(".file[data-kind='bad']")).to_contain_text("no video track")
    assert sorted((job.kind, job.name, job.inputs, job.priority) for job in jobs.list()) == [
        ("photos", "photo.png", 1, "low"),
        ("video", "clip.mp4", 1, "low"),
    ]


def test_an_evaluation_shows_its_figures(open_page: OpenPage, jobs: Jobs) -> None:
    job = queued(jobs, "evaluation", 8, "labelled")
    results.finish_evaluation(jobs, job)
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator("#figures")).to_contain_text("69.6 %")
    expect(page.locator("#confusion tbody tr")).to_have_count(8)
    expect(page.locator("#confusion .is-right").first).to_have_text("70 %")
    expect(page.locator("#per-class tbody tr")).to_have_count(8)
    page.locator("#downloads summary").click()
    expect(page.get_by_role("link", name="Predictions")).to_be_visible()


def test_progress_is_followed_with_speed_and_time_left(open_page: OpenPage, jobs: Jobs) -> None:
    import time

    from mien.jobs.view import Tally

    job = queued(jobs, "photos", 1000, "many")
    jobs.advance(job.id, ("queued",), 1, state="running", started=repr(time.time() - 10))
    jobs.report(job.id, {0: Tally(200, 0, 240)})
    page = open_page(f"/jobs/{job.id}")
    expect(page.locator("#share")).to_have_text("20 %")
    expect(page.locator("#rate")).to_contain_text("pictures/s")
    expect(page.locator("#left")).to_contain_text(" s")
    jobs.report(job.id, {0: Tally(500, 0, 600)})
    expect(page.locator("#share")).to_have_text("50 %")
    expect(page.locator("#faces")).to_have_text("600")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_have_text("cancelled")


def test_job_pages_fit_a_phone_in_dark_and_light(open_page: OpenPage, jobs: Jobs) -> None:
    video, evaluation = queued(jobs, "video", 2, "clip"), queued(jobs, "evaluation", 8, "labelled")
    shown = photos(jobs, 3, failed=2)
    results.finish_videos(jobs, video, ("", "no video track"))
    results.finish_evaluation(jobs, evaluation)
    for scheme in ("dark", "light"):
        for path in ("/jobs", *(f"/jobs/{job.id}" for job in (shown, video, evaluation))):
            page = open_page(path, 360, 740, color_scheme=scheme, has_touch=True, is_mobile=True)
            page.wait_for_timeout(900)
            assert fits_a_phone(page), path
            page.close()
