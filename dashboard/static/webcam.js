// Use my webcam: this tab is a camera. One picture is on the way at a time, so nothing queues.

import { Problem, csrfToken, post, send, setText, toast } from "./common.js";

const QUALITY = 0.8;

class Webcam {
  constructor(onEnd) {
    this.onEnd = onEnd;
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.canvas = document.createElement("canvas");
    this.busy = false;
    this.ended = false;
  }

  async start() {
    this.media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25 } }, audio: false });
    this.media.getVideoTracks()[0].addEventListener("ended", () => this.end());
    this.video.srcObject = this.media;
    await this.video.play();
    this.camera = await post("/api/v1/browser-cameras");
    this.clock = new Worker("/static/tick.js");
    this.clock.onmessage = () => this.tick();
    this.onHide = () => this.end();
    addEventListener("pagehide", this.onHide);
  }

  async tick() {
    if (this.busy || this.ended || !this.video.videoWidth) return;
    this.busy = true;
    try {
      const jpeg = await this.picture();
      await send("POST", `/api/v1/browser-cameras/${this.camera.name}/frames`, { body: jpeg, headers: { "Content-Type": "image/jpeg", "X-Camera-Token": this.camera.token } });
    } catch (error) {
      await this.recover(error);
    }
    this.busy = false;
  }

  /** A camera that ended by itself (the machine slept, the dashboard was started again) is opened again. */
  async recover(error) {
    if (this.ended || !(error instanceof Problem)) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (this.ended || (error.status !== 410 && error.status !== 403)) return;
    this.camera = await post("/api/v1/browser-cameras").catch(() => this.camera);
  }

  picture() {
    const width = Math.min(this.video.videoWidth, this.camera.max_width);
    const height = Math.round((this.video.videoHeight * width) / this.video.videoWidth);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, width, height);
    return new Promise((resolve, reject) => this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", QUALITY));
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.clock?.terminate();
    removeEventListener("pagehide", this.onHide);
    for (const track of this.media?.getTracks() ?? []) track.stop();
    if (this.camera) {
      const form = new FormData();
      form.append("csrf_token", csrfToken());
      form.append("token", this.camera.token);
      navigator.sendBeacon(`/api/v1/browser-cameras/${this.camera.name}/end`, form);
    }
    this.onEnd();
  }
}

export function installWebcamButton(button) {
  const words = button.querySelector("span");
  let webcam = null;
  const show = (on) => {
    button.setAttribute("aria-pressed", on);
    setText(words, on ? "Stop my webcam" : "Use my webcam");
  };
  if (!navigator.mediaDevices?.getUserMedia) {
    button.disabled = true;
    button.title = "The browser allows webcams on 127.0.0.1, localhost and https only";
    return;
  }
  button.addEventListener("click", async () => {
    if (webcam) return webcam.end();
    const started = new Webcam(() => {
      webcam = null;
      show(false);
    });
    webcam = started;
    button.disabled = true;
    try {
      await started.start();
      show(true);
    } catch (error) {
      started.end();
      toast(reasonOf(error), "bad");
    }
    button.disabled = false;
    return undefined;
  });
}

function reasonOf(error) {
  if (error instanceof Problem) return error.message;
  const reasons = {
    NotAllowedError: "The browser was not allowed to use the webcam.",
    NotFoundError: "No webcam was found.",
    NotReadableError: "The webcam is used by another program.",
  };
  return reasons[error.name] ?? `The webcam could not be opened: ${error.message}`;
}
