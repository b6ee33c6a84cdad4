// Files from a person's machine: chosen or dropped, sent one by one, and queued as jobs.

import { Problem, byId, count, csrfToken, el, post, renewToken, send, setText, size, toast } from "./common.js";

const PICTURE = /\.(jpe?g|png|webp|bmp|tiff?|gif|hei[cf]|avif)$/i;
const VIDEO = /\.(mp4|m4v|mov|3gp|webm|mkv|avi)$/i;
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

/** Makes the page take files; `queued` is called when they are a job. */
export function installUploads(queued) {
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
    start(await filesOf(event.dataTransfer.items), queued);
  });
  byId("files").addEventListener("change", (event) => {
    start([...event.target.files], queued);
    event.target.value = "";
  });
  byId("stop").addEventListener("click", () => sending?.stop());
  addEventListener("beforeunload", (event) => {
    if (sending) event.preventDefault();
  });
}

// Sending

class Sending {
  constructor(files, wishes) {
    this.files = files;
    this.wishes = wishes; // priority and options of the jobs
    this.bytes = Math.max(1, files.reduce((sum, file) => sum + file.size, 0));
    this.sent = new Map();
    this.good = [];
    this.stopped = false;
    this.requests = new Set();
    this.rows = new Map();
  }

  async run() {
    this.draw();
    const jobs = [];
    for (const kind of [PICTURE, VIDEO]) {
      const files = this.files.filter((file) => kind.test(file.name));
      const job = files.length && !this.stopped ? await this.makeJob(files) : null;
      if (job) jobs.push(job);
    }
    return jobs;
  }

  /** Sends files of one kind and queues them; returns nothing when none of them could be used. */
  async makeJob(files) {
    const upload = await post("/api/v1/uploads");
    const waiting = [...files];
    const good = [];
    const worker = async () => {
      while (waiting.length && !this.stopped) {
        const file = waiting.shift();
        if (await this.sendOne(upload.id, file)) good.push(file.name);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (this.stopped || !good.length) {
      await send("DELETE", `/api/v1/uploads/${upload.id}`).catch(() => {});
      return null;
    }
    this.good.push(...good);
    const name = good.length > 1 ? `${good[0]} and ${count(good.length - 1)} more` : good[0];
    return post("/api/v1/jobs", { upload: upload.id, name, ...this.wishes });
  }

  stop() {
    this.stopped = true;
    for (const request of this.requests) request.abort();
  }

  /** Sends one file; says whether it was taken. */
  async sendOne(id, file, again = true) {
    let taken = false;
    try {
      await this.request(`/api/v1/uploads/${id}/files?name=${encodeURIComponent(file.name)}`, file);
      taken = true;
      this.tell(file, size(file.size), "good");
    } catch (problem) {
      if (problem.code === "csrf" && again) {
        await renewToken();
        return this.sendOne(id, file, false);
      }
      this.tell(file, this.stopped ? "stopped" : problem.message, "bad");
    }
    this.progress(file, file.size);
    return taken;
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
    setText(byId("sending-title"), `Uploading ${count(this.files.length)} file${this.files.length === 1 ? "" : "s"} · ${size(sent)} of ${size(this.bytes)}`);
  }
}

let sending = null;

/** Sends what was chosen, and calls `queued` when it is a job. */
async function start(chosen, queued) {
  const files = chosen.filter((file) => PICTURE.test(file.name) || VIDEO.test(file.name));
  if (sending) return toast("An upload is under way already.", "bad");
  if (!files.length) return toast(chosen.length ? "None of these is a picture or a video." : "Nothing was chosen.", "bad");
  if (files.length > limits.files) return toast(`At most ${count(limits.files)} files at once; these are ${count(files.length)}.`, "bad");
  if (files.reduce((sum, file) => sum + file.size, 0) > limits.bytes) return toast(`At most ${size(limits.bytes)} at once.`, "bad");
  if (files.length < chosen.length) toast(`${count(chosen.length - files.length)} other files were left out.`);
  sending = new Sending(files, { priority: byId("priority").value, options: { annotate: byId("annotate").checked } });
  byId("drop").classList.add("is-busy");
  byId("stop").hidden = false;
  try {
    const jobs = await sending.run();
    if (jobs.length) {
      const left = files.length - sending.good.length;
      setText(byId("sending-title"), left ? `Queued; ${count(left)} file${left === 1 ? " was" : "s were"} refused` : "Uploaded and queued");
      if (!left) byId("sending").hidden = true;
      await queued();
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
