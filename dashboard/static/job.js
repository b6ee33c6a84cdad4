// One job: how far it is, what it gave, what failed.

import { banner, byId, count, el, get, post, setText, sleep, toast } from "./common.js";
import { Evaluation } from "./evaluation.js";
import { Gallery } from "./gallery.js";
import { Pace, canRetry, duration, fillBar, isActive, noun, tellState, when } from "./joblist.js";
import { Videos } from "./videos.js";

const id = byId("job").dataset.id;
const FAILURES = 50;
const QUEUED_S = 5;
const KINDS = { photos: "photos", video: "video", evaluation: "evaluation" };
const pace = new Pace();
const parts = { photos: () => new Gallery(id), video: () => new Videos(id), evaluation: () => new Evaluation(id) };
let part = null; // what the kind of this job shows, made when the kind is known
let failuresShown = 0;
let lastFailed = -1;
let last = "";

function showJob(job) {
  const name = job.name || job.id;
  const ended = !isActive(job);
  const { rateText, leftText } = pace.add(job);
  setText(byId("name"), name);
  document.title = `${isActive(job) ? `${Math.floor(job.progress * 100)} % · ` : ""}${name} · mien`;
  tellState(byId("state"), job);
  const priority = job.priority === "normal" ? [] : [`${job.priority} priority`];
  setText(byId("when"), [KINDS[job.kind] ?? job.kind, when(job), ...priority].join(" · "));
  const [did, all] = job.kind === "video" && job.units ? [job.units_done, job.units] : [job.done + job.failed, job.inputs];
  setText(byId("share"), `${Math.floor(job.progress * 100)} %`);
  setText(byId("pace"), `${count(did)} of ${count(all)} ${job.kind === "video" && job.units ? "frames" : noun(job, all)}`);
  setText(byId("inputs-word"), noun(job, 2)[0].toUpperCase() + noun(job, 2).slice(1));
  for (const key of ["inputs", "done", "failed", "faces"]) setText(byId(key), count(job[key]));
  byId("failed").classList.toggle("is-bad", job.failed > 0);
  setText(byId("rate"), rateText || "–");
  setText(byId("left-word"), ended ? "Took" : "Time left");
  setText(byId("left"), ended ? (job.finished ? duration(Math.max(0, job.finished - (job.started ?? job.created))) : "–") : leftText || "–");
  fillBar(byId("progress"), job);
  showHint(job);
  byId("reason").hidden = !job.reason;
  setText(byId("reason"), job.reason);
  byId("cancel").hidden = ended;
  byId("retry").hidden = !canRetry(job);
}

function showHint(job) {
  const waits = job.state === "queued" && Date.now() / 1000 - job.created > QUEUED_S;
  byId("hint").hidden = !waits;
  if (waits) setText(byId("hint"), "Waiting for a worker that is free. `mien up` runs one; `mien jobs work` starts another.");
}

async function showDownloads(job) {
  const there = new Set((await get(`/api/v1/jobs/${id}/outputs`)).outputs.map((output) => output.path));
  for (const link of document.querySelectorAll("[data-output]")) link.parentElement.hidden = !there.has(link.dataset.output);
  byId("downloads").hidden = isActive(job) || (!there.size && !job.done);
}

async function showFailures(job, more = false) {
  byId("failures-box").hidden = !job.failed;
  if (!more && job.failed === lastFailed) return;
  const limit = more ? FAILURES : Math.max(FAILURES, failuresShown);
  const offset = more ? failuresShown : 0;
  const { failures, next } = await get(`/api/v1/jobs/${id}/failures?offset=${offset}&limit=${Math.min(1000, limit)}`);
  const rows = failures.map((failure) => el("tr", {}, el("td", {}, failure.path), el("td", {}, failure.reason)));
  if (!more) byId("failures").replaceChildren();
  byId("failures").append(...rows);
  failuresShown = offset + failures.length;
  lastFailed = job.failed;
  setText(byId("failures-title"), `Could not be read (${count(job.failed)})`);
  byId("more-failures").hidden = next === null;
}

async function refresh() {
  try {
    const job = await get(`/api/v1/jobs/${id}`);
    showJob(job);
    part ??= parts[job.kind]?.() ?? null;
    const now = `${job.state} ${job.done} ${job.failed} ${job.units_done}`;
    if (now !== last) {
      await part?.show(job);
      await showFailures(job);
      await showDownloads(job);
    }
    last = now;
    banner("");
    return isActive(job) ? 700 : 3000;
  } catch (error) {
    banner(error.status === 503 ? "The jobs broker does not answer; trying again every second." : error.message);
    return 1000;
  }
}

for (const what of ["cancel", "retry"]) {
  byId(what).addEventListener("click", async () => {
    try {
      await post(`/api/v1/jobs/${id}/${what}`);
    } catch (error) {
      toast(error.message, "bad");
    }
    await refresh();
  });
}
byId("more-failures").addEventListener("click", () => showFailures({ failed: lastFailed }, true).catch((error) => toast(error.message, "bad")));
document.addEventListener("click", (event) => {
  if (!byId("downloads").contains(event.target) || event.target.closest("a")) byId("downloads").open = false;
});
byId("downloads").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  byId("downloads").open = false;
  byId("downloads").querySelector("summary").focus();
});
for (;;) await sleep(document.hidden ? 3000 : await refresh());
