// The budget card: where the time of a frame went in the last minute, and what the worker does about it.

import { byId, count, ms, percent, setText } from "./common.js";

const ROOM = 1.25; // the bar reaches a quarter beyond the budget, and further when frames take longer
const MOST = 4;
const STEP_MS = 10;
const FULL_MINUTE_S = 55;

/** A share with one digit where it matters: 99.9 % is not 100 %. */
function share(value) {
  if (value === null || value < 0.9 || value === 1) return percent(value);
  return `${(Math.floor(value * 1000) / 10).toFixed(1)} %`;
}

export class BudgetCard {
  constructor() {
    this.card = byId("budget-card");
    this.segments = new Map([...this.card.querySelectorAll(".spent-bar [data-stage]")].map((part) => [part.dataset.stage, part]));
    this.rows = new Map([...this.card.querySelectorAll("[data-stage-row]")].map((row) => [row.dataset.stageRow, row]));
  }

  update({ budget_ms, minute, measured }) {
    setText(byId("budget-ms"), String(Number(budget_ms.toPrecision(4))));
    setText(byId("window"), minute.window_s < FULL_MINUTE_S ? `last ${Math.round(minute.window_s)} s` : "last minute");
    this.#account(minute);
    this.card.dataset.measured = measured !== null;
    byId("budget-none").hidden = measured !== null;
    this.#quantiles(measured?.total_ms ?? null);
    this.#stages(measured?.stages_ms ?? {});
    this.#plan(measured);
    byId("budget").style.width = `${Math.min(1, (measured?.total_ms.p50 ?? 0) / budget_ms) * 100}%`;
    byId("budget").parentElement.dataset.late = (measured?.total_ms.p50 ?? 0) > budget_ms;
    if (measured) this.#draw(budget_ms, measured);
  }

  #account(minute) {
    setText(byId("on-time"), share(minute.on_time_share));
    setText(byId("on-time-analysed"), share(minute.on_time_of_analysed));
    setText(byId("minute-dropped"), count(minute.dropped));
    for (const row of document.querySelectorAll("[data-reason]")) {
      const dropped = minute.drops[row.dataset.reason] ?? 0;
      setText(row.querySelector('[data-when="minute"]'), count(dropped));
      row.classList.toggle("is-now", dropped > 0);
    }
  }

  #quantiles(total) {
    for (const name of ["p50", "p95", "p99"]) setText(byId(name), ms(total?.[name]));
    setText(byId("total-mean"), ms(total?.mean));
    setText(byId("total-p95"), ms(total?.p95));
  }

  #stages(stages) {
    for (const [stage, row] of this.rows) {
      const [mean, p95] = row.querySelectorAll("td");
      setText(mean, ms(stages[stage]?.mean));
      setText(p95, ms(stages[stage]?.p95));
      row.classList.toggle("is-zero", !stages[stage]);
    }
  }

  #plan(measured) {
    setText(byId("plan-words"), measured?.plan_words ?? "–");
    setText(byId("plan-why"), measured?.why ?? "");
    setText(byId("plan-worker"), measured?.worker ? `Worker ${measured.worker}` : "");
    byId("level").hidden = measured === null;
    setText(byId("level"), measured?.level ? `savings level ${measured.level}` : "no savings");
  }

  #draw(budget_ms, { stages_ms, total_ms }) {
    const means = new Map(Object.entries(stages_ms).map(([stage, { mean }]) => [stage, mean]));
    const known = [...means.values()].reduce((sum, mean) => sum + mean, 0);
    // A mean is over the frames that had the stage, so all of them may come to more than a frame took.
    const fit = known > total_ms.mean ? total_ms.mean / known : 1;
    const rest = Math.max(0, total_ms.mean - known);
    const needed = Math.max(budget_ms * ROOM, total_ms.mean, total_ms.p99);
    // Steps, so that the scale rests while numbers move.
    const scale_ms = Math.min(Math.ceil(needed / STEP_MS) * STEP_MS, Math.max(budget_ms * MOST, total_ms.mean * ROOM));
    const at = (value) => `${Math.min(1, value / scale_ms) * 100}%`;
    for (const [stage, part] of this.segments) {
      const mean = stage === "rest" ? rest : (means.get(stage) ?? 0);
      part.style.width = at(mean * fit);
      part.title = `${stage === "rest" ? "between the stages" : stage}: ${ms(mean)}`;
    }
    const reach = this.card.querySelector(".spent-reach");
    reach.style.left = at(total_ms.p50);
    reach.style.right = `calc(100% - ${at(total_ms.p99)})`;
    for (const tick of this.card.querySelectorAll(".spent-tick")) {
      tick.style.left = at(total_ms[tick.dataset.at]);
      tick.title = `${tick.dataset.at}: ${ms(total_ms[tick.dataset.at])}`;
    }
    const line = this.card.querySelector(".spent-line");
    line.style.left = at(budget_ms);
    setText(line.firstElementChild, `${Number(budget_ms.toPrecision(4))} ms`);
    this.card.querySelector("#spent").dataset.late = total_ms.p95 > budget_ms;
  }
}
