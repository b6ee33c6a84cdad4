"use strict";
// Draws the charts of a report. Data: times in ms, probabilities in 1/1000, valence and arousal in 1/100.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const charts = new Map();
  let range = [0, data.end];
  let focus = "";
  let following = false;

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const percent = (share) => (share > 0 && share < 5 ? "<1" : Math.round(share / 10)) + " %";

  function clock(ms, digits = 1) {
    const unit = 10 ** digits;
    const whole = Math.round((ms / 1000) * unit);
    const [hours, minutes, seconds] = [Math.floor(whole / unit / 3600), Math.floor(whole / unit / 60) % 60, (whole % (60 * unit)) / unit];
    const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${seconds.toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
    return hours ? `${hours}:${tail}` : tail;
  }

  // The first and last point after each gap: charts draw each run of points on its own.
  function runs(track) {
    const found = [];
    track.runs.forEach((run, index) => {
      if (index === 0 || run !== track.runs[index - 1]) found.push([index, index + 1]);
      else found[found.length - 1][1] = index + 1;
    });
    return found;
  }

  // Times as people write them, at most `most` of them, at round places.
  function ticks() {
    const [start, end] = range;
    const most = window.innerWidth < 640 ? 5 : 12;
    const steps = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5];
    const step = steps.find((each) => (end - start) / each <= most) || 864e5;
    const first = Math.ceil(start / step), last = Math.floor(end / step);
    const places = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
    const digits = step < 100 ? 2 : step < 1000 ? 1 : 0;
    return { "xaxis.range": [start, end], "xaxis.tickvals": places, "xaxis.ticktext": places.map((ms) => clock(ms, digits)) };
  }

  const middle = (track, index) => (track.starts[index] + track.ends[index]) / 2;

  // Along a run: from its very start over the middles of its points to its very end. `between` goes into the gaps.
  function along(track, value, between) {
    const xs = [], ys = [];
    for (const [first, last] of runs(track)) {
      if (between !== undefined) { xs.push(track.starts[first]); ys.push(between); }
      xs.push(track.starts[first]); ys.push(value(first));
      for (let index = first; index < last; index++) { xs.push(middle(track, index)); ys.push(value(index)); }
      xs.push(track.ends[last - 1]); ys.push(value(last - 1));
      xs.push(track.ends[last - 1]); ys.push(between === undefined ? null : between);
    }
    return { x: xs, y: ys };
  }

  function bands(track) {
    return data.stack.map((name) => {
      const number = data.labels.indexOf(name);
      return {
        ...along(track, (index) => track.probabilities[index][number] / 10, 0),
        type: "scatter", mode: "none", stackgroup: "all", fillcolor: data.colours[name], meta: name, name,
        hoverinfo: "skip", yaxis: "y",
      };
    });
  }

  // What the bands say under the pointer: an invisible line carries the words.
  function words(track) {
    const text = track.labels.map((label, index) => {
      const shares = track.probabilities[index].map((share, number) => [share, data.labels[number]]);
      const best = shares.sort((a, b) => b[0] - a[0]).slice(0, 3).map(([share, name]) => `${name} ${percent(share)}`);
      return `<b>${data.labels[label]}</b>, confidence ${percent(track.confidences[index])}<br>` +
        `${clock(middle(track, index))}<br>${best.join(" · ")}`;
    });
    return {
      x: text.map((_, index) => middle(track, index)), y: text.map(() => 50), text, type: "scatter", mode: "lines",
      line: { color: "rgba(0,0,0,0)", width: 0 }, hoverinfo: "text", yaxis: "y",
    };
  }

  function strip(track) {
    return data.labels.flatMap((name, number) => {
      const mine = track.stretches.filter((each) => each[2] === number);
      if (!mine.length) return [];
      return [{
        type: "bar", orientation: "h", base: mine.map((each) => each[0]), x: mine.map((each) => each[1] - each[0]),
        y: mine.map(() => 0), width: 1, marker: { color: data.colours[name], line: { width: 0 } }, meta: name,
        text: mine.map((each) => `<b>${name}</b>, confidence ${percent(each[3])}<br>${clock(each[0])} to ${clock(each[1])}`),
        textposition: "none", hoverinfo: "text", yaxis: "y2",
      }];
    });
  }

  const tintOf = (name) => colour(`--${name}`) || data[name];

  function plane(track) {
    return [["valence", "solid"], ["arousal", "dash"]].map(([name, dash]) => {
      const line = along(track, (index) => track[name][index] / 100);
      return {
        ...line, type: "scatter", mode: "lines", yaxis: "y3", line: { color: tintOf(name), width: 1.6, dash },
        text: line.y.map((value, index) => (value === null ? "" : `${name} ${value.toFixed(2)}, ${clock(line.x[index])}`)),
        hoverinfo: "text", connectgaps: false,
      };
    });
  }

  function layout() {
    const [ink, soft, line, zero] = ["--ink", "--soft", "--line", "--zero"].map(colour);
    const narrow = window.innerWidth < 640;
    const shown = ticks();
    const axis = { fixedrange: true, gridcolor: line, zeroline: false, tickfont: { color: soft, size: 11 } };
    const named = (text, where, tint, symbol) => ({
      text: `${symbol} ${text}`, x: 1, xref: "paper", xanchor: "right", y: where, yref: "paper", yanchor: "bottom",
      showarrow: false, font: { color: tint, size: 11 },
    });
    return {
      font: { family: getComputedStyle(document.body).fontFamily, color: ink, size: 12 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: colour("--sunken"), showlegend: false, barmode: "overlay", bargap: 0,
      margin: { l: narrow ? 40 : 52, r: 10, t: narrow ? 10 : 32, b: 30 }, hovermode: "x", hoverdistance: 40,
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
      hoverlabel: { bgcolor: colour("--surface"), bordercolor: soft, font: { color: ink, size: 12 }, align: "left" },
      xaxis: {
        type: "linear", range: shown["xaxis.range"], tickvals: shown["xaxis.tickvals"], ticktext: shown["xaxis.ticktext"],
        minallowed: 0, maxallowed: data.end, anchor: "y3", showgrid: false, zeroline: false,
        tickfont: { color: soft, size: 11 }, showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "dot", spikecolor: soft, spikesnap: "cursor",
      },
      yaxis: { ...axis, domain: [0.46, 1], range: [0, 100], tickvals: [0, 50, 100], ticktext: ["0", "50", "100 %"] },
      yaxis2: { ...axis, domain: [0.37, 0.43], range: [-0.5, 0.5], tickvals: [0], ticktext: ["label"], showgrid: false },
      yaxis3: {
        ...axis, domain: [0, 0.29], range: [-1.05, 1.05], tickvals: [-1, 0, 1], ticktext: ["−1", "0", "1"],
        zeroline: true, zerolinecolor: zero, zerolinewidth: 1,
      },
      annotations: [
        named("arousal", 0.285, tintOf("arousal"), "<b>╍</b>"), { ...named("valence", 0.285, tintOf("valence"), "<b>━</b>"), xshift: narrow ? -68 : -72 },
      ],
    };
  }

  function draw(place) {
    const track = data.tracks[Number(place.dataset.track)];
    const traces = [...bands(track), words(track), ...strip(track), ...plane(track)];
    const options = {
      responsive: true, displaylogo: false, displayModeBar: window.innerWidth < 640 ? false : "hover",
      modeBarButtons: [["toImage", "resetScale2d"]],
      toImageButtonOptions: { filename: `apparent-emotion-${track.name || "all"}`, scale: 3 },
    };
    charts.set(place, null);
    Plotly.newPlot(place, traces, layout(), options).then(() => {
      charts.set(place, traces.map((trace) => trace.meta || ""));
      place.on("plotly_relayout", follow);
      tint(place);
    });
  }

  // All charts show the same time.
  function follow(change) {
    if (following) return;
    const asked = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (change["xaxis.autorange"]) range = [0, data.end];
    else if (asked[0] !== undefined) range = [Math.max(0, asked[0]), Math.min(data.end, asked[1])];
    else return;
    following = true;
    const drawn = [...charts.keys()].filter((place) => charts.get(place));
    Promise.all(drawn.map((place) => Plotly.relayout(place, ticks()))).finally(() => { following = false; });
  }

  // One emotion in colour, the others pale.
  function tint(place) {
    const names = charts.get(place);
    if (!names) return;
    const pale = colour("--line");
    const shade = (name) => (!focus || name === focus ? data.colours[name] : pale);
    const filled = names.flatMap((name, index) => (name && index < data.stack.length ? [index] : []));
    const barred = names.flatMap((name, index) => (name && index >= data.stack.length ? [index] : []));
    Plotly.restyle(place, { fillcolor: filled.map((index) => shade(names[index])) }, filled);
    if (barred.length) Plotly.restyle(place, { "marker.color": barred.map((index) => shade(names[index])) }, barred);
  }

  function themed(theme) {
    root.dataset.theme = theme;
    document.getElementById("theme").textContent = theme === "dark" ? "Light" : "Dark";
    for (const [place, names] of charts) {
      if (!names) continue;
      Plotly.relayout(place, layout());
      Plotly.restyle(place, { "line.color": ["valence", "arousal"].map(tintOf) }, [names.length - 2, names.length - 1]);
      tint(place);
    }
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  themed(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => themed(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => themed(root.dataset.theme === "dark" ? "light" : "dark"));
  for (const key of document.querySelectorAll(".keys button")) {
    key.addEventListener("click", () => {
      focus = focus === key.dataset.name ? "" : key.dataset.name;
      for (const each of document.querySelectorAll(".keys button")) each.setAttribute("aria-pressed", String(each.dataset.name === focus));
      for (const place of charts.keys()) tint(place);
    });
  }
  // Charts are drawn when they come near the window: a report may have many.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "600px" });
  for (const place of document.querySelectorAll(".chart")) watcher.observe(place);
  addEventListener("beforeprint", () => {
    for (const place of document.querySelectorAll(".chart")) {
      watcher.unobserve(place);
      if (!charts.has(place)) draw(place);
    }
  });
})();
