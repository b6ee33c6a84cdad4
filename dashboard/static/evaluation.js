// What an evaluation measured: figures, confusion, each emotion, the report.

import { byId, count, el, get, percent } from "./common.js";
import { reportBox } from "./videos.js";

const exact = (share) => (share === null || share === undefined ? "–" : `${(share * 100).toFixed(1)} %`);
const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));

export class Evaluation {
  constructor(id) {
    this.id = id;
    this.emotions = byId("job").dataset.emotions.split(",");
  }

  async show(job) {
    if (job.state !== "done") return;
    const address = (name) => `/api/v1/jobs/${this.id}/outputs/${name}`;
    const { outputs } = await get(`/api/v1/jobs/${this.id}/outputs`);
    const there = new Set(outputs.map((output) => output.path));
    if (!there.has("evaluation.json")) return;
    const figures = await get(address("evaluation.json"));
    byId("evaluation-box").hidden = false;
    this.figures(figures);
    this.confusion(figures);
    this.perClass(figures);
    const report = byId("evaluation-report");
    if (there.has("report.html") && report.hidden) {
      report.hidden = false;
      report.append(reportBox(address("report.html"), "Full report"));
    }
  }

  figures(figures) {
    const rows = [
      [exact(figures.accuracy), "right, of all pictures"],
      [exact(figures.uar), "UAR, mean recall of the emotions"],
      [number(figures.macro_f1), "macro-F1, mean over the emotions"],
      [exact(figures.coverage), "get a name; the rest is uncertain"],
      [exact(figures.accuracy_at_coverage), "right, of those with a name"],
      [number(figures.ece), "calibration error"],
      [count(figures.n), "pictures with an emotion"],
      [count(figures.no_face ?? 0), "without a face, counted as wrong"],
      [count(figures.unreadable ?? 0), "not readable, not counted"],
    ];
    byId("figures").replaceChildren(...rows.map(([value, words]) => el("div", {}, el("dt", {}, words), el("dd", {}, value))));
  }

  confusion(figures) {
    const head = el("tr", {}, el("td", {}), ...this.emotions.map((emotion) => el("th", { scope: "col" }, el("span", {}, emotion))));
    const rows = figures.confusion.map((row, truth) => {
      const total = figures.per_class[this.emotions[truth]]?.n ?? row.reduce((sum, each) => sum + each, 0);
      const cells = row.map((found, read) => {
        const share = total ? found / total : 0;
        const words = `${this.emotions[truth]}, classified as ${this.emotions[read]}: ${count(found)} of ${count(total)}`;
        const cell = el("td", { title: words, class: truth === read ? "is-right" : "" }, found ? percent(share) : "·");
        cell.style.setProperty("--share", share.toFixed(3));
        return cell;
      });
      return el("tr", {}, el("th", { scope: "row" }, this.emotions[truth]), ...cells);
    });
    byId("confusion").replaceChildren(el("caption", { class: "visually-hidden" }, "Rows: what people saw. Columns: how it was classified."), el("thead", {}, head), el("tbody", {}, ...rows));
  }

  perClass(figures) {
    const rows = Object.entries(figures.per_class).map(([emotion, row]) => el("tr", {}, el("td", {}, emotion),
      el("td", { class: "num" }, count(row.n)), ...["precision", "recall", "f1"].map((key) => el("td", { class: "num" }, number(row[key])))));
    const heads = ["People saw", "Pictures", "Precision", "Recall", "F1"];
    byId("per-class").replaceChildren(el("thead", {}, el("tr", {}, ...heads.map((word, at) => el("th", { scope: "col", class: at ? "num" : "" }, word)))), el("tbody", {}, ...rows));
  }
}
