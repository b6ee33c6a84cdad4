// The videos of a job: a list when there are several, and one of them with all that came out of it.

import { byId, count, el, get, percent, setText, size, toast, tone } from "./common.js";
import { duration, isActive } from "./joblist.js";

const PAGE = 20;
const TRACKS = 30;
const FILES = [
  ["annotated.mp4", "Annotated video"], ["timeline.csv", "Timeline, CSV"], ["timeline.parquet", "Timeline, Parquet"],
  ["timeline.png", "Timeline, picture"], ["report.html", "Report, HTML"], ["contact.jpg", "Contact sheet"], ["summary.json", "Summary, JSON"],
];

export class Videos {
  constructor(id) {
    this.id = id;
    this.videos = [];
    this.cursor = null;
    this.chosen = null; // the index of the video that is shown
    this.drawn = ""; // what is shown of it, so that a player is not made anew while it plays
    byId("more-videos").addEventListener("click", () => this.more().catch((error) => toast(error.message, "bad")));
  }

  async show(job) {
    this.job = job;
    const pages = Math.max(1, Math.ceil(this.videos.length / PAGE));
    const { videos, next } = await get(`/api/v1/jobs/${this.id}/videos?limit=${Math.min(100, pages * PAGE)}`);
    this.videos = [...videos, ...this.videos.slice(videos.length)];
    this.cursor = this.videos.length > videos.length ? this.cursor : next;
    await this.draw();
  }

  async more() {
    const { videos, next } = await get(`/api/v1/jobs/${this.id}/videos?limit=${PAGE}&after=${this.cursor}`);
    this.videos.push(...videos);
    this.cursor = next;
    await this.draw();
  }

  async draw() {
    byId("videos-box").hidden = !this.videos.length;
    byId("more-videos").hidden = this.cursor === null;
    setText(byId("videos-title"), this.job.inputs === 1 ? "Video" : `Videos (${count(this.job.inputs)})`);
    byId("videos-list-box").hidden = this.job.inputs === 1;
    byId("videos-list-box").parentElement.classList.toggle("is-single", this.job.inputs === 1);
    const first = this.videos.find((video) => video.files.length) ?? this.videos[0];
    const known = this.videos.find((video) => video.index === this.chosen);
    const video = known && (known.files.length || this.picked) ? known : first;
    this.chosen = video?.index ?? null;
    this.drawList();
    if (video) await this.detail(video);
  }

  drawList() {
    const place = byId("video-list");
    this.videos.forEach((video, at) => {
      let row = place.children[at];
      if (!row) {
        row = el("li", {}, el("button", { type: "button", class: "video-row", onclick: () => this.choose(video.index) },
          el("strong"), el("span", { class: "badge-state" }), el("div", { class: "bar bar-thin", "aria-hidden": "true" }, el("i"))));
        place.append(row);
      }
      row.querySelector("button").setAttribute("aria-pressed", String(video.index === this.chosen));
      setText(row.querySelector("strong"), nameOf(video));
      row.querySelector("strong").title = video.path;
      setText(row.querySelector(".badge-state"), video.state);
      row.querySelector(".badge-state").dataset.state = ["done", "failed", "queued"].includes(video.state) ? video.state : "running";
      row.querySelector(".bar").hidden = video.state === "failed" || video.state === "done";
      row.querySelector(".bar i").style.width = `${video.progress * 100}%`;
    });
  }

  async choose(index) {
    this.picked = true;
    this.chosen = index;
    await this.draw();
  }

  async detail(video) {
    const shows = `${video.index} ${video.state} ${video.files.map((file) => `${file.path}:${file.bytes}`)} ${video.state === "done" ? "" : video.progress} ${isActive(this.job)}`;
    if (shows === this.drawn) return;
    this.drawn = shows;
    const place = byId("video-detail");
    if (!video.files.length) {
      place.replaceChildren(this.notYet(video));
      return;
    }
    const there = new Map(video.files.map((file) => [file.path.split("/").pop(), file]));
    const summary = there.has("summary.json") ? await get(this.address(there.get("summary.json"))).catch(() => null) : null;
    if (shows !== this.drawn) return; // another one was chosen meanwhile
    const top = el("div", { class: "video-top" }, this.player(video, there), this.figures(summary) ?? "");
    const parts = [top, this.timeline(there), this.tracks(summary), this.contact(there), this.report(there), this.files(there)];
    place.replaceChildren(...parts.filter(Boolean));
  }

  address(file) {
    return `/api/v1/jobs/${this.id}/outputs/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  }

  notYet(video) {
    const words = {
      failed: video.reason,
      queued: isActive(this.job) ? "Waits for its turn." : "Was not begun. Retry begins it.",
    }[video.state] ?? (isActive(this.job) ? `${video.state[0].toUpperCase()}${video.state.slice(1)}: ${Math.floor(video.progress * 100)} %. The video, its timeline and report show up here when it is finished.` : "Was left unfinished. Retry resumes it.");
    return el("div", { class: "card-box" }, el("div", { class: "card-head" }, el("h3", {}, nameOf(video))), el("p", { class: video.state === "failed" ? "alert-line" : "muted" }, words));
  }

  player(video, there) {
    const film = there.get("annotated.mp4");
    const title = el("div", { class: "card-head" }, el("h3", {}, nameOf(video)));
    const broken = video.reason ? el("p", { class: "alert-line" }, video.reason) : "";
    if (!film) return el("div", { class: "card-box" }, title, el("p", { class: "muted" }, "This job draws no annotated video."), broken);
    const player = el("video", { class: "player", src: this.address(film), controls: true, preload: "metadata", playsinline: true, "aria-label": `${nameOf(video)}, with the faces marked` });
    const box = el("div", { class: "card-box player-box" }, player, broken);
    player.addEventListener("error", () => box.append(el("p", { class: "alert-line" }, "This browser cannot play the video. Download it instead.")));
    return box;
  }

  figures(summary) {
    if (!summary) return null;
    const { video, overall } = summary;
    const facts = [
      ["Length", duration(video.seconds)], ["Size", `${video.width} × ${video.height}`], ["Frames analysed", count(video.analysed)],
      ["Faces over time", count(summary.tracks.length)], ["Most at once", count(summary.most_faces_at_once)],
      ["Frames without a face", percent(summary.no_face_share)], ["Mostly", overall.emotion ?? "–"],
      ["Valence", signed(overall.valence)], ["Arousal", signed(overall.arousal)], ["Changes", count(overall.changes)],
    ];
    return el("div", { class: "card-box" }, el("div", { class: "card-head" }, el("h3", {}, "In all")),
      el("dl", { class: "facts facts-wide" }, ...facts.map(([word, value]) => el("div", {}, el("dt", {}, word), el("dd", {}, value)))),
      shares(overall.emotions));
  }

  timeline(there) {
    const file = there.get("timeline.png");
    if (!file) return null;
    return el("div", { class: "card-box" }, el("div", { class: "card-head" }, el("h3", {}, "Over time"), el("a", { href: this.address(file), target: "_blank", rel: "noopener" }, "Open large")),
      el("img", { class: "sheet", src: this.address(file), alt: "Apparent emotions of each face over the time of the video", loading: "lazy" }));
  }

  tracks(summary) {
    if (!summary?.tracks.length) return null;
    const rows = [...summary.tracks].sort((a, b) => b.seconds - a.seconds).slice(0, TRACKS).map((track) => el("tr", {},
      el("td", {}, el("button", { type: "button", class: "btn btn-quiet btn-small", title: "Go there in the video", onclick: () => this.goTo(track.first_seconds) }, `face ${track.track}`)),
      el("td", { class: "num" }, clock(track.first_seconds)), el("td", { class: "num" }, duration(track.seconds)),
      el("td", {}, el("span", { class: `chip chip-${tone(track.emotion ?? "uncertain")}` }, track.emotion ?? "–")),
      el("td", { class: "track-shares" }, shares(track.emotions, false)),
      el("td", { class: "num" }, signed(track.valence)), el("td", { class: "num" }, signed(track.arousal)), el("td", { class: "num" }, count(track.changes))));
    const heads = ["Face", "From", "Seen", "Mostly", "Share of its time", "Valence", "Arousal", "Changes"];
    const left = summary.tracks.length - rows.length;
    return el("div", { class: "card-box" }, el("div", { class: "card-head" }, el("h3", {}, "Each face"), el("p", { class: "muted" }, left > 0 ? `the ${count(rows.length)} seen longest; ${count(left)} more are in the summary` : "numbers of tracks, never of persons")),
      el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Each face" }, el("table", { class: "table table-sm tracks" }, el("thead", {}, el("tr", {}, ...heads.map((head, at) => el("th", { scope: "col", class: [1, 2, 5, 6, 7].includes(at) ? "num" : "" }, head)))), el("tbody", {}, ...rows))));
  }

  contact(there) {
    const file = there.get("contact.jpg");
    if (!file) return null;
    return el("div", { class: "card-box" }, el("div", { class: "card-head" }, el("h3", {}, "Clearest moments"), el("a", { href: this.address(file), target: "_blank", rel: "noopener" }, "Open large")),
      el("img", { class: "sheet", src: this.address(file), alt: "The clearest moments of each face", loading: "lazy" }));
  }

  report(there) {
    const file = there.get("report.html");
    return file ? reportBox(this.address(file), "Interactive report") : null;
  }

  files(there) {
    const links = FILES.filter(([name]) => there.has(name)).map(([name, words]) => el("li", {},
      el("a", { href: `${this.address(there.get(name))}?download=1`, download: "" }, words), el("span", { class: "muted" }, size(there.get(name).bytes))));
    return el("div", { class: "card-box" }, el("div", { class: "card-head" }, el("h3", {}, "Files")), el("ul", { class: "file-links" }, ...links));
  }

  goTo(seconds) {
    const player = byId("video-detail").querySelector("video");
    if (!player) return;
    player.currentTime = seconds;
    player.scrollIntoView({ block: "center" });
    player.focus();
  }
}

/** A report in a frame that has no rights here: its address says so too, however it is opened. */
export function reportBox(address, title) {
  const frame = el("iframe", { class: "report", title, sandbox: "allow-scripts", loading: "lazy", src: address });
  return el("div", { class: "card-box report-box" }, el("div", { class: "card-head" }, el("h3", {}, title), el("a", { href: address, target: "_blank", rel: "noopener" }, "Open in a tab")), frame);
}

function shares(emotions, named = true) {
  if (!emotions) return el("p", { class: "muted" }, "No face was seen.");
  const sorted = Object.entries(emotions).filter(([, share]) => share > 0.0005).sort(([, a], [, b]) => b - a);
  const words = sorted.map(([emotion, share]) => `${emotion} ${percent(share)}`).join(", ");
  const stack = el("div", { class: "shares", role: "img", "aria-label": words, title: words }, ...sorted.map(([emotion, share]) => {
    const part = el("i", { "data-emotion": emotion });
    part.style.width = `${share * 100}%`;
    return part;
  }));
  if (!named) return stack;
  return el("div", {}, stack, el("ul", { class: "shares-key" }, ...sorted.map(([emotion, share]) => el("li", {}, el("i", { "data-emotion": emotion }), `${emotion} `, el("b", {}, percent(share))))));
}

const nameOf = (video) => video.path.split("/").pop() || video.path;
const signed = (value) => (value === null || value === undefined ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
