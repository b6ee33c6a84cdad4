// Uploads, and the list of jobs.

import { Problem, banner, byId, count, csrfToken, el, get, post, renewToken, send, setText, size, sleep, toast } from "./common.js";
import { fillBar, isActive, numbers, tellState, when } from "./joblist.js";

const KINDS = /\.(jpe?g|png|webp|bmp|tiff?)$/i;
const AT_ONCE = 2;
const ROWS = 200;
const limits = { files: Number(byId("upload").dataset.maxFiles), bytes: Number(byId("upload").dataset.maxMb) * 1024 * 1024 };

// Choosing

async function filesOf(items) {
  // Both must be asked for before the first await: the browser forgets the items then.
  const dropped = [...items].filter((item) => item.kind === "file").map((item) => [item.webkitGetAsEntry?.(), item.getAsFile()]);
  const files = dropped.filter(([entry]) => !entry).map(([, file]) => file);
  const walk = async (entry) => {
    if (entry.isFile) files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    else {
      const reader = entry.createReader();
      for (;;) {
        const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!batch.length) return;
        for (const child of batch) await walk(child);
      }
    }
  };
  for (const [entry] of dropped) if (entry) await walk(entry);
  return files;
}

function installDrop() {
  const drop = byId("drop");
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("is-over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    start(await filesOf(event.dataTransfer.items));
  });
  byId("files").addEventListener("change", (event) => {
    start([...event.target.files]);
    event.target.value = "";
  });
}

// Sending

class Sending {
  constructor(files) {
    this.files = files;
    this.bytes = Math.max(1, files.reduce((sum, file) => sum + file.size, 0));
    this.sent = new Map();
    this.good = [];
    this.stopped = false;
    this.requests = new Set();
    this.rows = new Map();
  }

  async run() {
    this.draw();
    const upload = await post("/api/v1/uploads");
    const waiting = [...this.files];
    const worker = async () => {
      while (waiting.length && !this.stopped) await this.sendOne(upload.id, waiting.shift());
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (this.stopped || !this.good.length) {
      await send("DELETE", `/api/v1/uploads/${upload.id}`).catch(() => {});
      return null;
    }
    const [first, ...more] = this.good;
    const name = more.length ? `${first} and ${count(more.length)} more` : first;
    return post("/api/v1/jobs", { upload: upload.id, name });
  }

  stop() {
    this.stopped = true;
    for (const request of this.requests) request.abort();
  }

  async sendOne(id, file, again = true) {
    try {
      await this.request(`/api/v1/uploads/${id}/files?name=${encodeURIComponent(file.name)}`, file);
      this.good.push(file.name);
      this.tell(file, size(file.size), "good");
    } catch (problem) {
      if (problem.code === "csrf" && again) {
        await renewToken();
        await this.sendOne(id, file, false);
      } else this.tell(file, this.stopped ? "stopped" : problem.message, "bad");
    }
    this.progress(file, file.size);
  }

  /** XMLHttpRequest, since fetch does not tell how much was sent. */
  request(url, file) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.requests.add(request);
      request.open("POST", url);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("X-CSRFToken", csrfToken());
      request.upload.onprogress = (event) => this.progress(file, event.loaded);
      request.onloadend = () => {
        this.requests.delete(request);
        if (request.status >= 200 && request.status < 300) return resolve();
        let error = null;
        try { error = JSON.parse(request.responseText).error; } catch { /* no answer */ }
        return reject(new Problem(request.status, error?.detail ?? "the connection broke", error?.code ?? ""));
      };
      request.send(file);
    });
  }

  draw() {
    byId("sending").hidden = false;
    byId("file-list").replaceChildren();
    for (const file of this.files.slice(0, ROWS)) {
      const row = el("li", { class: "file" }, el("span", { class: "file-name" }, file.name), el("span", { class: "file-note muted" }, size(file.size)), el("div", { class: "bar bar-thin" }, el("i")));
      byId("file-list").append(row);
      this.rows.set(file, row);
    }
    this.total();
  }

  tell(file, text, kind) {
    const row = this.rows.get(file);
    if (!row) return;
    row.dataset.kind = kind;
    setText(row.querySelector(".file-note"), text);
  }

  progress(file, loaded) {
    this.sent.set(file, Math.min(loaded, file.size));
    const row = this.rows.get(file);
    if (row) row.querySelector("i").style.width = `${(loaded / Math.max(1, file.size)) * 100}%`;
    this.total();
  }

  total() {
    const sent = [...this.sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    const share = Math.min(1, sent / this.bytes);
    byId("total").querySelector("i").style.width = `${share * 100}%`;
    byId("total").setAttribute("aria-valuenow", Math.round(share * 100));
    setText(byId("sending-title"), `Uploading ${count(this.files.length)} picture${this.files.length === 1 ? "" : "s"} · ${size(sent)} of ${size(this.bytes)}`);
  }
}

let sending = null;

async function start(chosen) {
  const files = chosen.filter((file) => KINDS.test(file.name));
  if (sending) return toast("An upload is under way already.", "bad");
  if (!files.length) return toast(chosen.length ? "None of these is a picture." : "Nothing was chosen.", "bad");
  if (files.length > limits.files) return toast(`At most ${count(limits.files)} pictures at once; these are ${count(files.length)}.`, "bad");
  if (files.reduce((sum, file) => sum + file.size, 0) > limits.bytes) return toast(`At most ${size(limits.bytes)} at once.`, "bad");
  if (files.length < chosen.length) toast(`${count(chosen.length - files.length)} other files were left out.`);
  sending = new Sending(files);
  byId("drop").classList.add("is-busy");
  byId("stop").hidden = false;
  try {
    const job = await sending.run();
    if (job) {
      const left = files.length - sending.good.length;
      setText(byId("sending-title"), left ? `Queued; ${count(left)} file${left === 1 ? " was" : "s were"} refused` : "Uploaded and queued");
      if (!left) byId("sending").hidden = true;
      await refresh();
    } else setText(byId("sending-title"), sending.stopped ? "Upload stopped" : "No file could be used");
  } catch (error) {
    setText(byId("sending-title"), "Upload failed");
    toast(error.message, "bad");
  }
  byId("stop").hidden = true;
  byId("drop").classList.remove("is-busy");
  sending = null;
  return undefined;
}

// The list

const rows = new Map();

function makeRow(id) {
  const act = (what, label) => el("button", { type: "button", class: "btn btn-quiet btn-small", "data-act": what, onclick: () => change(id, what) }, label);
  return el("li", { class: "job" },
    el("div", { class: "job-head" }, el("a", { href: `/jobs/${id}`, class: "job-name" }), el("span", { class: "badge-state" })),
    el("div", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"), el("b")),
    el("div", { class: "job-foot" }, el("span", { class: "muted job-numbers" }), el("span", { class: "muted job-when" }), el("span", { class: "job-acts" }, act("cancel", "Cancel"), act("retry", "Retry"))));
}

async function change(id, what) {
  try {
    await post(`/api/v1/jobs/${id}/${what}`);
  } catch (error) {
    toast(error.message, "bad");
  }
  await refresh();
}

function show(jobs) {
  for (const [id, row] of rows) {
    if (jobs.some((job) => job.id === id)) continue;
    row.remove();
    rows.delete(id);
  }
  jobs.forEach((job, index) => {
    if (!rows.has(job.id)) rows.set(job.id, makeRow(job.id));
    const row = rows.get(job.id);
    const place = byId("jobs");
    if (place.children[index] !== row) place.insertBefore(row, place.children[index] ?? null);
    setText(row.querySelector(".job-name"), job.name || job.id);
    setText(row.querySelector(".job-numbers"), numbers(job));
    setText(row.querySelector(".job-when"), when(job));
    tellState(row.querySelector(".badge-state"), job);
    fillBar(row.querySelector(".bar"), job.done, job.failed, job.inputs);
    row.querySelector('[data-act="cancel"]').hidden = !isActive(job);
    row.querySelector('[data-act="retry"]').hidden = isActive(job) || (job.state === "done" && !job.failed);
  });
  byId("no-jobs").hidden = jobs.length > 0;
}

async function refresh() {
  try {
    const { jobs } = await get("/api/v1/jobs?limit=100");
    show(jobs);
    banner("");
    return jobs.some(isActive) ? 500 : 2000;
  } catch (error) {
    banner(error.status === 503 ? "The jobs broker does not answer; trying again every second." : error.message);
    return 1000;
  }
}

installDrop();
byId("stop").addEventListener("click", () => sending?.stop());
addEventListener("beforeunload", (event) => {
  if (sending) event.preventDefault();
});
for (;;) await sleep(document.hidden ? 3000 : await refresh());
