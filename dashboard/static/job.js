// One job: progress, failures, annotated pictures.

import { banner, byId, count, el, get, percent, post, setText, sleep, toast, tone } from "./common.js";
import { fillBar, isActive, numbers, tellState, when } from "./joblist.js";

const id = byId("job").dataset.id;
const PAGE = 48;
const READ_UP_TO = 5000; // pictures whose results the page reads to write labels under them
let names = [];
let shown = PAGE;
let labels = new Map();
let last = "";

function showJob(job) {
  setText(byId("name"), job.name || job.id);
  document.title = `${job.name || job.id} · mien`;
  tellState(byId("state"), job);
  setText(byId("when"), `${when(job)} · ${numbers(job)}`);
  for (const key of ["inputs", "done", "failed", "faces"]) setText(byId(key), count(job[key]));
  fillBar(byId("progress"), job.done, job.failed, job.inputs);
  byId("reason").hidden = !job.reason;
  setText(byId("reason"), job.reason);
  byId("cancel").hidden = !isActive(job);
  byId("retry").hidden = isActive(job) || (job.state === "done" && !job.failed);
  byId("json").hidden = byId("csv").hidden = job.state !== "done";
  byId("failures-box").hidden = !job.failures.length;
  if (byId("failures").childElementCount !== job.failures.length) {
    byId("failures").replaceChildren(...job.failures.map((failure) => el("tr", {}, el("td", {}, failure.path), el("td", {}, failure.reason))));
  }
}

async function readPictures(job) {
  names = (await get(`/api/v1/jobs/${id}/annotated`)).pictures;
  names.sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
  if (job.state === "done" && job.inputs <= READ_UP_TO) {
    const { pictures } = await get(`/api/v1/jobs/${id}/results.json`);
    labels = new Map(pictures.filter((picture) => picture.annotated).map((picture) => [picture.annotated.split("/").pop(), picture]));
  }
  showPictures();
}

function showPictures() {
  const place = byId("gallery");
  byId("pictures-box").hidden = !names.length;
  const wanted = names.slice(0, shown);
  for (const [index, name] of wanted.entries()) {
    if (place.children[index]?.dataset.name === name && place.children[index].dataset.read === String(labels.has(name))) continue;
    const fresh = makePicture(name);
    if (place.children[index]?.dataset.name === name) place.children[index].replaceWith(fresh);
    else place.insertBefore(fresh, place.children[index] ?? null);
  }
  while (place.childElementCount > wanted.length) place.lastElementChild.remove();
  byId("more").hidden = names.length <= shown;
}

function makePicture(name) {
  const picture = labels.get(name);
  const address = `/api/v1/jobs/${id}/annotated/${encodeURIComponent(name)}`;
  const title = picture ? picture.path.split("/").pop() : name;
  const chips = (picture?.faces ?? []).slice(0, 6).map((face) => el("span", { class: `chip chip-${tone(face.emotion)}` }, `${face.emotion} `, el("b", {}, percent(face.confidence))));
  return el("li", { class: "picture", "data-name": name, "data-read": String(Boolean(picture)) },
    el("a", { href: address, target: "_blank", rel: "noopener" }, el("img", { src: address, alt: `${title}, with the faces marked`, loading: "lazy" })),
    el("div", { class: "picture-body" }, el("strong", {}, title), el("div", { class: "chips" }, ...(chips.length || !picture ? chips : [el("span", { class: "chip chip-calm" }, "no face")]))));
}

async function refresh() {
  try {
    const job = await get(`/api/v1/jobs/${id}`);
    showJob(job);
    const now = `${job.state} ${job.done}`;
    if (now !== last) await readPictures(job);
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
byId("more").addEventListener("click", () => {
  shown += PAGE;
  showPictures();
});
for (;;) await sleep(document.hidden ? 3000 : await refresh());
