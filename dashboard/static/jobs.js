// The list of jobs, as it is now.

import { banner, byId, count, get, post, setText, sleep, toast } from "./common.js";
import { Pace, canRetry, fillBar, isActive, numbers, tellState, when } from "./joblist.js";
import { installUploads } from "./upload.js";

const PAGE = 50;
const MOST = 500;
const rows = new Map(); // by id: { row, pace }
const wanted = readAddress();
let shown = PAGE;

function readAddress() {
  const query = new URLSearchParams(location.search);
  return { state: query.get("state") ?? "", kind: query.get("kind") ?? "" };
}

function query(more = {}) {
  return new URLSearchParams(Object.entries({ ...wanted, ...more }).filter(([, value]) => value)).toString();
}

function filter(change) {
  Object.assign(wanted, change);
  shown = PAGE;
  const text = query();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
  showFilters();
  return refresh();
}

function showFilters() {
  for (const pill of document.querySelectorAll(".pill")) pill.setAttribute("aria-pressed", String(pill.dataset.state === wanted.state));
  byId("kind").value = wanted.kind;
}

function makeRow(job) {
  const row = byId("row").content.firstElementChild.cloneNode(true);
  const address = `/jobs/${job.id}`;
  for (const link of row.querySelectorAll("a")) link.href = address;
  for (const icon of row.querySelectorAll(".job-icon")) icon.hidden = icon.dataset.kind !== job.kind;
  for (const what of ["cancel", "retry"]) {
    row.querySelector(`[data-act="${what}"]`).addEventListener("click", () => change(job.id, what));
  }
  return { row, pace: new Pace() };
}

async function change(id, what) {
  try {
    await post(`/api/v1/jobs/${id}/${what}`);
  } catch (error) {
    toast(error.message, "bad");
  }
  await refresh();
}

function fillRow({ row, pace }, job) {
  const part = (name) => row.querySelector(name);
  const name = job.name || job.id;
  const { rateText, leftText } = pace.add(job);
  setText(part(".job-title"), name);
  setText(part(".job-numbers"), numbers(job));
  setText(part(".job-pace"), [rateText, leftText && `${leftText} left`].filter(Boolean).join(" · "));
  setText(part(".job-when"), when(job));
  part(".job-priority").hidden = job.priority === "normal";
  setText(part(".job-priority"), `${job.priority} priority`);
  tellState(part(".badge-state"), job);
  fillBar(part(".bar"), job);
  part(".bar").setAttribute("aria-label", `Progress of ${name}`);
  part(".job-failed").hidden = !job.failed;
  setText(part(".job-failed"), `${count(job.failed)} failed`);
  for (const [act, there] of [["results", job.done > 0 && !isActive(job)], ["cancel", isActive(job)], ["retry", canRetry(job)]]) {
    const one = part(`[data-act="${act}"]`);
    one.hidden = !there;
    one.setAttribute("aria-label", `${one.textContent} ${act === "results" ? "of " : ""}${name}`);
  }
}

function show(jobs) {
  const place = byId("jobs");
  for (const [id, { row }] of rows) {
    if (jobs.some((job) => job.id === id)) continue;
    row.remove();
    rows.delete(id);
  }
  jobs.forEach((job, index) => {
    if (!rows.has(job.id)) rows.set(job.id, makeRow(job));
    const { row } = rows.get(job.id);
    if (place.children[index] !== row) place.insertBefore(row, place.children[index] ?? null);
    fillRow(rows.get(job.id), job);
  });
  const filtered = Boolean(wanted.state || wanted.kind);
  byId("no-jobs").hidden = jobs.length > 0 || filtered;
  byId("no-match").hidden = jobs.length > 0 || !filtered;
  byId("filters").hidden = !jobs.length && !filtered;
}

async function refresh() {
  try {
    const asked = query({ limit: Math.min(MOST, shown + 1) });
    const { jobs } = await get(`/api/v1/jobs?${asked}`);
    if (asked !== query({ limit: Math.min(MOST, shown + 1) })) return 0; // something else is wanted by now
    show(jobs.slice(0, shown));
    byId("more").hidden = jobs.length <= shown || shown >= MOST;
    banner("");
    return jobs.some(isActive) ? 500 : 2000;
  } catch (error) {
    banner(error.status === 503 ? "The jobs broker does not answer; trying again every second." : error.message);
    return 1000;
  }
}

installUploads(refresh);
for (const pill of document.querySelectorAll(".pill")) pill.addEventListener("click", () => filter({ state: pill.dataset.state }));
byId("kind").addEventListener("change", (event) => filter({ kind: event.target.value }));
byId("all").addEventListener("click", () => filter({ state: "", kind: "" }));
byId("more").addEventListener("click", () => {
  shown += PAGE;
  refresh();
});
showFilters();
for (;;) await sleep(document.hidden ? 3000 : await refresh());
