// What the list of jobs and the page of one job have in common: words, the bar, speed and time left.

import { count, setText, stateBadge } from "./common.js";

const WINDOW_S = 20;
const NOUNS = { photos: ["picture", "pictures"], video: ["video", "videos"], evaluation: ["picture", "pictures"] };

export const isActive = (job) => job.state === "queued" || job.state === "running";
export const canRetry = (job) => !isActive(job) && (job.state !== "done" || job.failed > 0);
export const noun = (job, number) => (NOUNS[job.kind] ?? ["input", "inputs"])[number === 1 ? 0 : 1];

/** Fills a bar: what is done, then what failed. The work is finer than the inputs where they are videos. */
export function fillBar(bar, job) {
  const all = job.kind !== "video" || !isActive(job);
  const failed = all && job.inputs ? job.failed / job.inputs : 0;
  const done = Math.max(0, job.progress - failed);
  bar.setAttribute("aria-valuenow", Math.floor(job.progress * 100));
  bar.querySelector("i").style.width = `${done * 100}%`;
  bar.querySelector("b").style.width = `${failed * 100}%`;
}

export function tellState(badge, job) {
  stateBadge(badge, job.state);
  badge.dataset.job = "";
}

/** How far a job is, in words. */
export function numbers(job) {
  const parts = [`${count(job.done + job.failed)} of ${count(job.inputs)} ${noun(job, job.inputs)}`];
  if (job.kind === "video" && job.units) parts.push(`${count(job.units_done)} of ${count(job.units)} frames`);
  parts.push(`${count(job.faces)} face${job.faces === 1 ? "" : "s"}`);
  return parts.join(" · ");
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 36 ? `${hours.toFixed(1)} h` : `${Math.round(hours / 24)} days`;
}

/** A time that is still to come: rounded to what can be known of it. */
function about(seconds) {
  if (seconds < 5) return "a few seconds";
  if (seconds < 60) return `${Math.ceil(seconds / 5) * 5} s`;
  return duration(seconds);
}

export function when(job) {
  const text = new Date(job.created * 1000).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  if (!job.finished) return text;
  return `${text} · took ${duration(Math.max(0, job.finished - (job.started ?? job.created)))}`;
}

const rateText = (rate, unit) => `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} ${unit}/s`;

/** The speed of one job: over the last 20 s while it runs, over all of it when it has ended. */
export class Pace {
  constructor() {
    this.samples = [];
  }

  /** Takes a job as it is now; returns its speed and the time left in words, empty for what is not known. */
  add(job) {
    const unknown = { rateText: "", leftText: "" };
    if (job.state === "queued") {
      this.samples = [];
      return unknown;
    }
    if (!isActive(job)) {
      const took_s = job.finished && job.started ? job.finished - job.started : 0;
      const rate = took_s > 0.05 && job.units_done ? job.units_done / took_s : null;
      return rate === null ? unknown : { ...unknown, rateText: rateText(rate, job.unit) };
    }
    const now_s = Date.now() / 1000;
    const last = this.samples.at(-1);
    if (last && job.units_done < last.done) this.samples = []; // a retry begins anew
    if (!last || now_s - last.now_s > 0.3) this.samples.push({ now_s, done: job.units_done });
    while (this.samples.length > 2 && now_s - this.samples[0].now_s > WINDOW_S) this.samples.shift();
    const first = this.samples[0];
    let span_s = now_s - first.now_s;
    let done = job.units_done - first.done;
    if (span_s < 3 || done <= 0) { // not seen for long enough: the mean since it began
      span_s = now_s - (job.started ?? now_s);
      done = job.units_done;
    }
    if (span_s < 1 || done <= 0) return unknown;
    const rate = done / span_s;
    const left = job.eta_s; // as `mien jobs show` tells it
    return { rateText: rateText(rate, job.unit), leftText: left === null ? "" : about(left) };
  }
}

export { setText };
