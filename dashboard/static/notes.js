// What stands over a camera's picture, and in the banner.

import { banner, setText } from "./common.js";

const STALE_MS = 2500;

export function note(element, screen, camera) {
  const [title, words] = wordsFor(screen, camera);
  element.hidden = !title;
  setText(element.querySelector("strong"), title);
  setText(element.querySelector("span"), words);
}

function wordsFor(screen, camera) {
  if (!camera) return ["no signal", "the camera is gone"];
  if (camera.state === "connecting") return ["connecting", camera.reason];
  if (camera.state === "failed") return ["failed", camera.reason];
  if (camera.state !== "live") return ["no signal", camera.reason || "the producer has ended"];
  if (performance.now() - screen.shown_ms > STALE_MS) return ["waiting for a picture", ""];
  return ["", ""];
}

export function warn(overview) {
  if (overview.error) banner(overview.error);
  else if (overview.workers === 0 && overview.cameras.some((camera) => camera.state === "live")) {
    banner("No worker is running, so no face is detected. Start one: mien work");
  } else banner("");
}
