// One camera: its picture, its faces, its account, its time.

import { BudgetCard } from "./budget.js";
import { banner, byId, count, el, fps, percent, setText, stateBadge, tone } from "./common.js";
import { note, warn } from "./notes.js";
import { Screen, follow } from "./stream.js";

const page = byId("camera");
const name = page.dataset.name;
const emotions = page.dataset.emotions.split(",");
const screen = new Screen(byId("screen"));
const budget = new BudgetCard();
const FACES_EVERY_MS = 120; // numbers that change faster cannot be read
const TRACK_KEPT_MS = 400;

// Faces

class FaceCard {
  constructor() {
    this.bars = new Map();
    this.label = el("strong");
    this.confidence = el("span", { class: "muted" });
    this.dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    this.place = el("span", { class: "muted va-text" });
    this.baseline = el("span", { class: "muted" });
    const rows = emotions.map((emotion) => {
      const fill = el("i");
      const value = el("span", { class: "num" });
      this.bars.set(emotion, { fill, value });
      return el("div", { class: `prob prob-${tone(emotion)}` }, el("span", {}, emotion), el("div", { class: "prob-bar" }, fill), value);
    });
    this.card = el("article", { class: "face" },
      el("header", { class: "face-head" }, this.label, this.confidence, this.baseline),
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
    setText(this.baseline, face.baseline ? `baseline ${face.baseline}` : "");
    for (const [emotion, { fill, value }] of this.bars) {
      fill.style.width = `${probabilities[emotion] * 100}%`;
      setText(value, percent(probabilities[emotion]));
    }
    this.dot.setAttribute("cx", face.valence);
    this.dot.setAttribute("cy", -face.arousal);
    setText(this.place, `V ${face.valence.toFixed(2)} · A ${face.arousal.toFixed(2)}`);
    this.place.title = `valence and arousal, ${face.va_source || "projected"}`;
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
    setText(row.querySelector('[data-when="all"]'), count(dropped));
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
  setText(byId("fps"), fps(camera.analysed_fps));
  showAccount(camera);
  if (camera.state !== "live") forgetFaces();
}

// Both connections

let source = null;

function listen() {
  source = new EventSource(`/cameras/${encodeURIComponent(name)}/events`);
  source.addEventListener("result", (event) => {
    showFaces(JSON.parse(event.data));
  });
  source.addEventListener("budget", (event) => budget.update(JSON.parse(event.data)));
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
