// The grid: a tile for each camera, all over one connection.

import { banner, byId, count, el, fps, ms, percent, setText, stateBadge, tone } from "./common.js";
import { note, warn } from "./notes.js";
import { Screen, follow } from "./stream.js";
import { installWebcamButton } from "./webcam.js";

const BUDGET_MS = Number(byId("tiles").dataset.budget);
const tiles = new Map();

class Tile {
  constructor(name) {
    this.name = name;
    this.item = byId("tile").content.firstElementChild.cloneNode(true);
    this.item.dataset.camera = name;
    this.find("a").href = `/cameras/${encodeURIComponent(name)}`;
    setText(this.find("h2"), name);
    this.find("canvas").setAttribute("aria-label", `Live picture of ${name} with the faces marked`);
    this.screen = new Screen(this.find("canvas"));
  }

  find(selector) {
    return this.item.querySelector(selector);
  }

  fact(name, text) {
    setText(this.find(`[data-fact="${name}"]`), text);
  }

  update(camera) {
    const live = camera.state === "live";
    this.item.dataset.state = camera.state;
    stateBadge(this.find(".badge-state"), camera.state);
    note(this.find(".stage-note"), this.screen, camera);
    this.fact("fps", live ? fps(camera.fps) : "–");
    this.fact("analysed", live ? fps(camera.analysed_fps) : "–");
    const { on_time_share, p95_ms } = camera.minute;
    this.fact("on_time", live ? percent(on_time_share) : "–");
    this.fact("p95", live ? ms(p95_ms) : "–");
    this.find(".budget i").style.width = `${live && p95_ms !== null ? Math.min(1, p95_ms / BUDGET_MS) * 100 : 0}%`;
    this.find(".budget").dataset.late = p95_ms > BUDGET_MS;
    const chips = live ? camera.labels : [];
    const text = chips.map((chip) => `${chip.label} ${percent(chip.confidence)}`).join();
    if (this.chips === text) return;
    this.chips = text;
    this.find(".chips").replaceChildren(
      ...chips.map((chip) => el("span", { class: `chip chip-${tone(chip.label)}` }, `${chip.label} `, el("b", {}, percent(chip.confidence)))),
    );
  }
}

function arrange(cameras) {
  const names = new Set(cameras.map((camera) => camera.name));
  for (const [name, tile] of tiles) {
    if (names.has(name)) continue;
    tile.item.remove();
    tiles.delete(name);
  }
  for (const camera of cameras) {
    if (!tiles.has(camera.name)) {
      const tile = new Tile(camera.name);
      tiles.set(camera.name, tile);
      const after = [...tiles.values()].filter((other) => other.item.isConnected && other.name > camera.name);
      byId("tiles").insertBefore(tile.item, after.sort((a, b) => (a.name < b.name ? -1 : 1))[0]?.item ?? null);
    }
    tiles.get(camera.name).update(camera);
  }
  byId("empty").hidden = cameras.length > 0;
  byId("tiles").dataset.count = cameras.length;
}

function summarise({ cameras, workers, error }) {
  const live = cameras.filter((camera) => camera.state === "live");
  const faces = live.reduce((sum, camera) => sum + camera.faces, 0);
  const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
  if (error) return setText(byId("summary"), "Waiting for Redis…");
  if (!cameras.length) return setText(byId("summary"), "They show up here by themselves.");
  return setText(byId("summary"), [`${count(live.length)} of ${plural(cameras.length, "camera")} live`, plural(faces, "face"), plural(workers, "worker")].join(" · "));
}

follow("/stream", {
  onView: (camera, jpeg) => tiles.get(camera)?.screen.show(jpeg),
  onOverview: (overview) => {
    warn(overview);
    if (!overview.error || overview.cameras.length) arrange(overview.cameras);
    summarise(overview);
  },
  onLost: () => {
    banner("The dashboard does not answer. Trying again…");
    setText(byId("summary"), "Not connected");
  },
});
installWebcamButton(byId("webcam"));
