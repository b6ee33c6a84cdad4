// What the list of jobs and the page of one job have in common.

import { count, setText, stateBadge } from "./common.js";

export const isActive = (job) => job.state === "queued" || job.state === "running";

export function fillBar(bar, done, failed, inputs) {
  const whole = Math.max(1, inputs);
  bar.setAttribute("aria-valuenow", Math.round(((done + failed) / whole) * 100));
  bar.querySelector("i").style.width = `${(done / whole) * 100}%`;
  const rest = bar.querySelector("b");
  if (rest) rest.style.width = `${(failed / whole) * 100}%`;
}

export function tellState(badge, job) {
  stateBadge(badge, job.state);
  badge.dataset.job = "";
}

export function numbers(job) {
  const parts = [`${count(job.done + job.failed)} of ${count(job.inputs)}`, `${count(job.faces)} face${job.faces === 1 ? "" : "s"}`];
  if (job.failed) parts.push(`${count(job.failed)} failed`);
  return parts.join(" · ");
}

export function when(job) {
  const started = new Date(job.created * 1000);
  const text = started.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  if (!job.finished) return text;
  const took_s = job.finished - job.created;
  return `${text} · took ${took_s < 90 ? `${took_s.toFixed(1)} s` : `${Math.round(took_s / 60)} min`}`;
}

export { setText };
