// What every page uses: requests with their token, elements, notes, numbers.

const meta = document.querySelector('meta[name="csrf-token"]');

export const csrfToken = () => meta.content;

export class Problem extends Error {
  constructor(status, detail, code) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => null);
  return new Problem(response.status, body?.error?.detail ?? `the dashboard answered ${response.status}`, body?.error?.code ?? "");
}

/** Sends a request and returns its JSON (null without one); throws Problem. A token that a restart made old is renewed once. */
export async function send(method, url, { body = null, headers = {} } = {}, again = true) {
  let response;
  try {
    response = await fetch(url, { method, body, headers: { Accept: "application/json", "X-CSRFToken": csrfToken(), ...headers } });
  } catch {
    throw new Problem(0, "The dashboard does not answer.", "away");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await problemOf(response);
  if (problem.code === "csrf" && again) {
    await renewToken();
    return send(method, url, { body, headers }, false);
  }
  throw problem;
}

export async function renewToken() {
  meta.content = (await (await fetch("/api/v1/token")).json()).token;
}

export const get = (url) => send("GET", url);
export const post = (url, json) => send("POST", url, json === undefined ? {} : { body: JSON.stringify(json), headers: { "Content-Type": "application/json" } });

/** Makes an element: attributes by name, `on…` as listeners, children as text or elements. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets text only when it changed, so that screen readers and the layout stay calm. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function toast(text, kind = "info") {
  const note = el("div", { class: `toast-note toast-${kind}` }, text);
  byId("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

export function banner(text) {
  const place = byId("banner");
  place.hidden = !text;
  setText(place, text ?? "");
}

const whole = new Intl.NumberFormat("en");
export const count = (number) => whole.format(number);
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`);
export const ms = (value) => (value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
export const fps = (value) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} fps`;

export function size(bytes) {
  if (bytes < 1024 * 1024) return `${Math.max(1, Math.round(bytes / 1024))} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(bytes < 10485760 ? 1 : 0)} MiB`;
}

/** The tone of a label, as the overlay draws it: red, green or grey. */
export function tone(label) {
  if (label === "happy" || label === "surprise") return "good";
  return label === "neutral" || label === "uncertain" ? "calm" : "bad";
}

export function stateBadge(element, state) {
  setText(element, state);
  element.dataset.state = state;
}

export const sleep = (time_ms) => new Promise((resolve) => setTimeout(resolve, time_ms));
