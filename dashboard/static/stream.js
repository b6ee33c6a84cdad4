// Reads /stream: one connection for all tiles. The format is described in dashboard/streams.py.

import { sleep } from "./common.js";

const HIDDEN_FOR_MS = 4000;

/** Bytes that arrive in pieces, taken off message by message. */
class Buffer {
  constructor() {
    this.bytes = new Uint8Array(1 << 20);
    this.start = 0;
    this.end = 0;
  }

  add(piece) {
    if (this.end + piece.length > this.bytes.length) {
      const left = this.end - this.start;
      const target = left + piece.length > this.bytes.length ? new Uint8Array(2 * (left + piece.length)) : this.bytes;
      target.set(this.bytes.subarray(this.start, this.end));
      [this.bytes, this.start, this.end] = [target, 0, left];
    }
    this.bytes.set(piece, this.end);
    this.end += piece.length;
  }

  /** Returns the next message as {head, body}, or null while it is incomplete. The body is a copy. */
  take() {
    const left = this.end - this.start;
    if (left < 8) return null;
    const view = new DataView(this.bytes.buffer, this.start, 8);
    const [headLength, bodyLength] = [view.getUint32(0), view.getUint32(4)];
    if (left < 8 + headLength + bodyLength) return null;
    const at = this.start + 8;
    const head = JSON.parse(new TextDecoder().decode(this.bytes.subarray(at, at + headLength)));
    const body = this.bytes.slice(at + headLength, at + headLength + bodyLength);
    this.start = at + headLength + bodyLength;
    return { head, body };
  }
}

async function read(url, signal, { onView, onOverview }) {
  const response = await fetch(url, { signal, cache: "no-store" });
  if (!response.ok) throw new Error(`the stream answered ${response.status}`);
  const reader = response.body.getReader();
  const buffer = new Buffer();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer.add(value);
    const views = new Map(); // of several pictures of a camera only the newest is worth decoding
    for (let message = buffer.take(); message !== null; message = buffer.take()) {
      if (message.head.type === "view") views.set(message.head.camera, message);
      else if (message.head.type === "overview") onOverview(JSON.parse(new TextDecoder().decode(message.body)));
    }
    for (const { head, body } of views.values()) onView(head.camera, body, head.frame_id);
  }
}

/** Keeps a stream open for as long as the page is seen; tells `onLost` when the dashboard is away. */
export async function follow(url, handlers) {
  let abort = null;
  let seen = Promise.resolve();
  let hiddenTimer = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      // Nobody looks: no need to draw. A camera is only drawn while it is watched.
      hiddenTimer = setTimeout(() => {
        seen = new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
        abort?.abort();
      }, HIDDEN_FOR_MS);
    }
  });
  for (;;) {
    await seen;
    abort = new AbortController();
    try {
      await read(url, abort.signal, handlers);
    } catch (error) {
      if (error.name !== "AbortError") handlers.onLost();
    }
    await sleep(500);
  }
}

/** A canvas that shows the newest picture and decodes one at a time: late ones are replaced, never queued. */
export class Screen {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.pending = null;
    this.busy = false;
    this.shown_ms = -Infinity;
    this.pictures = 0;
  }

  show(jpeg) {
    this.pending = jpeg;
    if (!this.busy) this.#draw();
  }

  clear() {
    this.pending = null;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  async #draw() {
    this.busy = true;
    while (this.pending) {
      const jpeg = this.pending;
      this.pending = null;
      try {
        const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        this.#fit(picture);
        this.context.drawImage(picture, 0, 0, this.canvas.width, this.canvas.height);
        picture.close();
        this.shown_ms = performance.now();
        this.pictures += 1;
        this.canvas.dataset.pictures = this.pictures;
      } catch {
        // a picture that cannot be decoded: the next one comes
      }
    }
    this.busy = false;
  }

  /** The canvas has the shape of the picture, and no more pixels than the screen shows. */
  #fit(picture) {
    const most = Math.ceil((this.canvas.clientWidth || picture.width) * Math.min(devicePixelRatio, 2));
    const width = Math.min(picture.width, Math.max(most, 64));
    const height = Math.round((picture.height * width) / picture.width);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }
}
