// The pictures of a photo job, page by page; a click opens one large.

import { byId, count, el, get, percent, setText, toast, tone } from "./common.js";
import { isActive } from "./joblist.js";
import { Lightbox } from "./lightbox.js";

const PAGE = 48;
const CHIPS = 6;

export const fileName = (path) => path.split("/").pop() || path;

export class Gallery {
  constructor(id) {
    this.id = id;
    this.items = [];
    this.cursor = null; // where the next page begins; null at the end
    this.busy = null;
    this.lightbox = new Lightbox({
      address: (picture) => this.address(picture),
      at: (index) => this.items[index] ?? null,
      total: () => this.items.length,
      hasMore: () => this.cursor !== null,
      more: () => this.more(),
      closed: (index) => byId("gallery").children[index]?.querySelector("button")?.focus(),
    });
    byId("more").addEventListener("click", () => this.more());
    for (const field of ["emotion", "from"]) byId(field).addEventListener("change", () => this.begin().catch((error) => toast(error.message, "bad")));
  }

  address(picture) {
    return `/api/v1/jobs/${this.id}/${picture.annotated.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** Shows the job as it is now: while it runs and nobody has asked for more, the first page again. */
  async show(job) {
    this.job = job;
    byId("from").max = job.inputs;
    if (byId("lightbox").open || this.items.length > PAGE) {
      this.tellEnd();
      return;
    }
    await this.begin();
  }

  async begin() {
    const from = Math.max(1, Math.floor(Number(byId("from").value)) || 1);
    byId("from").value = from;
    const page = await this.page(from > 1 ? from - 2 : null);
    const same = page.pictures.length === this.items.length && page.pictures.every((picture, at) => picture.index === this.items[at].index && picture.annotated === this.items[at].annotated);
    this.cursor = page.next;
    if (!same) {
      this.items = page.pictures;
      byId("gallery").replaceChildren(...this.items.map((picture, at) => this.card(picture, at)));
    }
    this.tellEnd();
  }

  async more() {
    if (this.cursor === null) return;
    this.busy ??= this.page(this.cursor).then((page) => {
      const start = this.items.length;
      this.items.push(...page.pictures);
      this.cursor = page.next;
      byId("gallery").append(...page.pictures.map((picture, at) => this.card(picture, start + at)));
      this.tellEnd();
    }).catch((error) => toast(error.message, "bad")).finally(() => { this.busy = null; });
    await this.busy;
  }

  async page(after) {
    const query = new URLSearchParams({ limit: PAGE });
    if (after !== null) query.set("after", after);
    if (byId("emotion").value) query.set("emotion", byId("emotion").value);
    return get(`/api/v1/jobs/${this.id}/pictures?${query}`);
  }

  tellEnd() {
    const asked = byId("emotion").value !== "" || byId("from").value !== "1";
    byId("pictures-box").hidden = !this.items.length && !asked && !this.job.done;
    byId("more").hidden = this.cursor === null;
    setText(byId("more"), this.items.length ? "Show more" : "Keep looking");
    byId("no-pictures").hidden = this.items.length > 0;
    const nothing = asked ? "No such picture here." : isActive(this.job) ? "The first pictures show up when their chunk is finished." : "No picture was read.";
    setText(byId("no-pictures"), this.cursor !== null && !this.items.length ? "None among the first pictures." : nothing);
    setText(byId("pictures-title"), this.items.length ? `Pictures (${count(this.items.length)}${this.cursor === null ? "" : ` of ${count(this.job.done)}`})` : "Pictures");
  }

  card(picture, at) {
    const title = fileName(picture.path);
    const faces = picture.faces ?? [];
    const chips = faces.slice(0, CHIPS).map((face) => el("span", { class: `chip chip-${tone(face.emotion)}` }, `${face.emotion} `, el("b", {}, percent(face.confidence))));
    if (faces.length > CHIPS) chips.push(el("span", { class: "chip" }, `+${faces.length - CHIPS}`));
    if (!chips.length) chips.push(el("span", { class: "chip chip-calm" }, "no face"));
    const body = el("div", { class: "picture-body" }, el("strong", { title: picture.path }, title), el("div", { class: "chips" }, ...chips));
    if (!picture.annotated) return el("li", { class: "picture" }, body);
    const image = el("img", { src: this.address(picture), alt: "", loading: "lazy", decoding: "async", width: picture.width, height: picture.height });
    return el("li", { class: "picture", "data-index": picture.index },
      el("button", { type: "button", class: "picture-open", "aria-label": `Open ${title}: ${faces.length} face${faces.length === 1 ? "" : "s"}`, onclick: () => this.lightbox.open(at) }, image), body);
  }
}
