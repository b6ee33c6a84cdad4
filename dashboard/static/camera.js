// One camera: its picture, its faces, its account, its time.

import { banner, byId, count, el, fps, ms, percent, setText, stateBadge, tone } from "./common.js";
import { note, warn } from "./notes.js";
import { Screen, follow } from "./stream.js";

const page = byId("camera");
const name = page.dataset.name;
const emotions = page.dataset.emotions.split(",");
const budget_ms = Number(page.dataset.budget);
const screen = new Screen(byId("screen"));
const FACES_EVERY_MS = 120; // numbers that change faster cannot be read
const TRACK_KEPT_MS = 400;
const LATENCIES = 250;

// Faces

class FaceCard {
  constructor() {
    this.bars = new Map();
    this.label = el("strong");
    this.confidence = el("span", { class: "muted" });
    this.dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    this.place = el("span", { class: "muted va-text" });
    const rows = emotions.map((emotion) => {
      const fill = el("i");
      const value = el("span", { class: "num" });
      this.bars.set(emotion, { fill, value });
      return el("div", { class: `prob prob-${tone(emotion)}` }, el("span", {}, emotion), el("div", { class: "prob-bar" }, fill), value);
    });
    this.card = el("article", { class: "face" },
      el("header", { class: "face-head" }, this.label, this.confidence),
      el("div", { class: "face-body" }, el("div", { class: "probs" }, ...rows), el("div", { class: "va" }, this.plot(), this.place)));
  }

  plot() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "-1.15 -1.15 2.3 2.3");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Valence from left to right, arousal from bottom to top");
    for (const [tag, attributes] of [["circle", { r: 1, class: "va-rim" }], ["path", { d: "M-1 0H1M0 -1V1", class: "va-axes" }]]) {
      const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
      svg.append(shape);
    }
    this.dot.setAttribute("r", 0.11);
    this.dot.setAttribute("class", "va-dot");
    svg.append(this.dot);
    return svg;
  }

  update(face) {
    const label = face.label || face.emotion;
    const probabilities = face.smoothed ?? face.probabilities;
    this.card.dataset.tone = tone(label);
    setText(this.label, label);
    setText(this.confidence, percent(face.label ? face.label_confidence : face.confidence));
    for (const [emotion, { fill, value }] of this.bars) {
      fill.style.width = `${probabilities[emotion] * 100}%`;
      setText(value, percent(probabilities[emotion]));
    }
    this.dot.setAttribute("cx", face.valence);
    this.dot.setAttribute("cy", -face.arousal);
    setText(this.place, `V ${face.valence.toFixed(2)} · A ${face.arousal.toFixed(2)}`);
  }
}

const cards = new Map();
let drawn_ms = 0;

function showFaces(result) {
  const now = performance.now();
  if (now - drawn_ms < FACES_EVERY_MS) return;
  drawn_ms = now;
  result.faces.forEach((face, index) => {
    const track = face.track || `#${index}`;
    if (!cards.has(track)) {
      cards.set(track, { card: new FaceCard(), seen_ms: now });
      byId("faces").append(cards.get(track).card.card);
    }
    cards.get(track).seen_ms = now;
    cards.get(track).card.update(face);
  });
  forgetFaces();
  setText(byId("face-count"), result.faces.length ? `${count(result.faces.length)} now` : "");
}

function forgetFaces() {
  for (const [track, { card, seen_ms }] of cards) {
    if (performance.now() - seen_ms < TRACK_KEPT_MS) continue;
    card.card.remove();
    cards.delete(track);
  }
  byId("faces-none").hidden = cards.size > 0;
}

// Time

const latencies = [];
const stages = new Map();

function measure(result) {
  latencies.push((result.published_ns - result.captured_ns) / 1e6);
  if (latencies.length > LATENCIES) latencies.shift();
  for (const [stage, value] of Object.entries(result.stages_ms)) {
    if (stage === "total") continue;
    stages.set(stage, stages.has(stage) ? stages.get(stage) * 0.9 + value * 0.1 : value);
  }
}

function showTime() {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null);
  setText(byId("p50"), ms(at(0.5)));
  setText(byId("p95"), ms(at(0.95)));
  const share = sorted.length ? Math.min(1, at(0.5) / budget_ms) : 0;
  byId("budget").style.width = `${share * 100}%`;
  byId("budget").parentElement.dataset.late = sorted.length > 0 && at(0.5) > budget_ms;
  const place = byId("stages");
  const rows = new Map([...place.children].map((row) => [row.dataset.stage, row]));
  for (const [stage, value] of stages) {
    if (!rows.has(stage)) {
      const row = el("div", { class: "prob", "data-stage": stage }, el("span", {}, stage), el("div", { class: "prob-bar" }, el("i")), el("span", { class: "num" }));
      place.append(row);
      rows.set(stage, row);
    }
    rows.get(stage).querySelector("i").style.width = `${Math.min(100, (value / budget_ms) * 100)}%`;
    setText(rows.get(stage).querySelector(".num"), ms(value));
  }
}

// Account

function showAccount(camera) {
  const counts = camera.counts;
  for (const key of ["captured", "on_time", "late", "dropped", "in_flight"]) {
    setText(document.querySelector(`[data-count="${key}"]`), count(counts[key]));
  }
  const whole = Math.max(1, counts.captured);
  const parts = [counts.on_time, counts.late, counts.dropped, counts.in_flight];
  [...byId("stack").children].forEach((part, index) => (part.style.width = `${(parts[index] / whole) * 100}%`));
  for (const row of document.querySelectorAll("[data-reason]")) {
    const dropped = counts.drops[row.dataset.reason] ?? 0;
    setText(row.lastElementChild, count(dropped));
    row.classList.toggle("is-zero", dropped === 0);
  }
  setText(byId("balance"), counts.balanced ? "captured = analysed + dropped + in flight" : "The account does not add up.");
}

function showCamera(camera) {
  stateBadge(byId("state"), camera ? camera.state : "no signal");
  note(byId("note"), screen, camera);
  if (!camera) return;
  const facts = [camera.source, camera.width ? `${camera.width}×${camera.height}` : "", camera.state === "live" ? fps(camera.fps) : camera.reason, `${camera.delivery} delivery`];
  setText(byId("about-camera"), facts.filter(Boolean).join(" · "));
  setText(byId("on-time"), percent(camera.on_time_share));
  setText(byId("fps"), fps(camera.analysed_fps));
  showAccount(camera);
  showTime();
  if (camera.state !== "live") forgetFaces();
}

// Both connections

let source = null;

function listen() {
  source = new EventSource(`/cameras/${encodeURIComponent(name)}/events`);
  source.addEventListener("result", (event) => {
    const result = JSON.parse(event.data);
    measure(result);
    showFaces(result);
  });
}

document.addEventListener("visibilitychange", () => {
  source?.close();
  if (!document.hidden) listen();
});
listen();
follow(`/stream?cameras=${encodeURIComponent(name)}`, {
  onView: (_camera, jpeg) => screen.show(jpeg),
  onOverview: (overview) => {
    warn(overview);
    if (!overview.error) showCamera(overview.cameras.find((camera) => camera.name === name));
  },
  onLost: () => banner("The dashboard does not answer. Trying again…"),
});
