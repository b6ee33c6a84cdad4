// One picture large, with its faces beside it; arrow keys go on, Escape closes.

import { byId, count, el, percent, setText, tone } from "./common.js";

const SVG = "http://www.w3.org/2000/svg";
const BARS = 4; // the likeliest emotions of each face

export class Lightbox {
  /** `source` gives pictures by their place in what is loaded, and loads more of them. */
  constructor(source) {
    this.source = source;
    this.place = 0;
    this.dialog = byId("lightbox");
    byId("previous").addEventListener("click", () => this.turn(-1));
    byId("next").addEventListener("click", () => this.turn(1));
    byId("close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => source.closed(this.place));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    this.dialog.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1 };
      if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.turn(steps[event.key]);
    });
  }

  open(place) {
    this.show(place);
    this.dialog.showModal();
    byId("close").focus();
  }

  async turn(step) {
    const wanted = this.place + step;
    if (wanted < 0) return;
    if (wanted >= this.source.total() && this.source.hasMore()) await this.source.more();
    if (wanted < this.source.total()) this.show(wanted);
  }

  show(place) {
    const picture = this.source.at(place);
    if (!picture) return;
    this.place = place;
    const title = picture.path.split("/").pop() || picture.path;
    const image = byId("lightbox-image");
    image.src = this.source.address(picture);
    image.alt = `${title}, with the faces marked`;
    byId("lightbox-boxes").setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
    byId("lightbox-boxes").replaceChildren();
    setText(byId("lightbox-title"), title);
    const size = `${picture.width} × ${picture.height}`;
    setText(byId("lightbox-place"), `${count(place + 1)} of ${count(this.source.total())}${this.source.hasMore() ? "+" : ""} · ${size}`);
    byId("lightbox-file").href = this.source.address(picture);
    byId("lightbox-file").setAttribute("download", title);
    const faces = picture.faces ?? [];
    byId("lightbox-faces").replaceChildren(...(faces.length ? faces.map((face, number) => this.face(face, number)) : [el("p", { class: "muted" }, "No face was found in this picture.")]));
    byId("lightbox-faces").scrollTop = 0;
    byId("previous").disabled = place === 0;
    byId("next").disabled = place + 1 >= this.source.total() && !this.source.hasMore();
    this.fetchAhead(place + 1);
  }

  fetchAhead(place) {
    const following = this.source.at(place);
    if (following?.annotated) new Image().src = this.source.address(following);
  }

  face(face, number) {
    const likeliest = Object.entries(face.probabilities).sort(([, a], [, b]) => b - a).slice(0, BARS);
    const bars = likeliest.map(([emotion, share]) => {
      const fill = el("i");
      fill.style.width = `${share * 100}%`;
      return el("div", { class: `prob prob-${tone(emotion)}` }, el("span", {}, emotion), el("div", { class: "prob-bar" }, fill), el("span", { class: "num" }, percent(share)));
    });
    const point = `valence ${signed(face.valence)} · arousal ${signed(face.arousal)} (${face.va_source || "projected"})`;
    const card = el("section", { class: "face", "data-tone": tone(face.emotion), tabindex: 0, "aria-label": `Face ${number + 1}` },
      el("div", { class: "face-head" }, el("strong", {}, face.emotion), el("span", {}, percent(face.confidence)), el("span", { class: "muted face-number" }, `face ${number + 1}`)),
      el("div", { class: "probs" }, ...bars), el("p", { class: "muted face-point" }, point));
    for (const kind of ["mouseenter", "focus"]) card.addEventListener(kind, () => this.mark(face));
    for (const kind of ["mouseleave", "blur"]) card.addEventListener(kind, () => byId("lightbox-boxes").replaceChildren());
    return card;
  }

  /** Marks a face in the picture while it is looked at in the list. */
  mark(face) {
    const box = document.createElementNS(SVG, "rect");
    const [x, y, width, height] = face.box;
    for (const [name, value] of Object.entries({ x, y, width, height })) box.setAttribute(name, value);
    byId("lightbox-boxes").replaceChildren(box);
  }
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
