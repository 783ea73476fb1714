// The browser's half of studio/ui/live_chart.py. Gradio runs it once per mounted component with
// element, props, server and watch in scope.
const TUNED = "#D55E00", BASE = "#0072B2", GOOD = "#009E73";
const MANY = 1500;
const METRICS = ["loss", "validation_loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory_gib"];
const PANELS = [["learning_rate", "Step size · learning rate"], ["gradient_norm", "Size of each change · gradient norm"],
  ["tokens_per_second", "Tokens a second"], ["memory_gib", "Memory, GB"]];
const find = (selector) => element.querySelector(selector);
// Written into the page and not handed over as props: those are lost when a component is updated before it is shown.
const { script, panels } = find(".lc").dataset;
const isPanels = panels === "true";

let run = null, generation = 0, cursor = null, drawn = false, best = null, base = null;
let timer = null, asking = false, failures = 0, visible = false;

const dark = () => document.body.classList.contains("dark") || document.documentElement.classList.contains("dark");
const ink = () => (dark() ? "#E9E7E1" : "#1B1F27");
const faint = () => (dark() ? "rgba(233,231,225,.13)" : "rgba(27,31,39,.10)");
const baseColour = () => (dark() ? "#56A8DC" : BASE);
const tunedColour = () => (dark() ? "#F07B23" : TUNED);
const goodColour = () => (dark() ? "#27B98F" : GOOD);
const cautionColour = () => (dark() ? "#F0B429" : "#E69F00");
// The best checkpoint wears the colour of success only when it is better than the base was.
const bestMarker = () => ({ size: 13, ...(best && base !== null && best[1] > base
  ? { color: cautionColour(), symbol: "star-open" } : { color: goodColour(), symbol: "star" }) });
const paper = () => (dark() ? "rgba(20,22,26,.88)" : "rgba(251,250,247,.88)");

function loadPlotly() {
  if (window.Plotly) return Promise.resolve();
  if (!window.tailorPlotly) {
    window.tailorPlotly = new Promise((done, fail) => {
      const tag = document.createElement("script");
      tag.src = new URL(script, document.baseURI).href;
      tag.onload = done;
      tag.onerror = () => { window.tailorPlotly = null; tag.remove(); fail(new Error("plotly")); };
      document.head.appendChild(tag);
    });
  }
  return window.tailorPlotly;
}

function axis(title, extra) {
  return { title: { text: title, font: { size: 12 }, standoff: 8 }, gridcolor: faint(), zeroline: false, linecolor: faint(),
    ticks: "", automargin: true, nticks: 6, ...extra };
}

function layout() {
  const common = { uirevision: run, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "x unified",
    font: { family: "system-ui, sans-serif", size: 12, color: ink() }, dragmode: "zoom",
    hoverlabel: { bgcolor: dark() ? "#23262D" : "#FFFFFF", bordercolor: faint(), font: { color: ink() } },
    shapes: [], annotations: [] };
  if (isPanels) {
    const columns = find(".lc-plot").clientWidth < 560 ? 1 : 2, rows = PANELS.length / columns;
    const made = { ...common, showlegend: false, margin: { l: 56, r: 12, t: 28, b: 32 }, hovermode: "closest" };
    PANELS.forEach(([, title], i) => {
      const column = i % columns, row = Math.floor(i / columns), n = i ? i + 1 : "";
      const x0 = column / columns + (column ? 0.06 : 0), x1 = (column + 1) / columns - (column + 1 < columns ? 0.02 : 0);
      const y1 = 1 - row / rows - (row ? 0.06 : 0), y0 = 1 - (row + 1) / rows + 0.07;
      made[`xaxis${n}`] = axis("", { domain: [x0, x1], anchor: `y${n}`, matches: i ? "x" : undefined });
      made[`yaxis${n}`] = axis("", { domain: [y0, y1], anchor: `x${n}`, nticks: 4, exponentformat: "e",
        rangemode: i >= 2 ? "tozero" : "normal" });
      made.annotations.push({ text: title, xref: "paper", yref: "paper", x: x0, y: y1, xanchor: "left", yanchor: "bottom",
        showarrow: false, font: { size: 12, color: ink() } });
    });
    return made;
  }
  const made = { ...common, margin: { l: 52, r: 16, t: 34, b: 44 }, xaxis: axis("Steps", { rangemode: "tozero" }),
    yaxis: axis("How wrong it is · loss"), legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } } };
  if (base !== null) {
    made.shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: base, y1: base, layer: "below",
      line: { color: baseColour(), width: 1.5, dash: "dot" } });
    made.annotations.push({ text: `before tuning ${base.toFixed(2)}`, xref: "paper", x: 1, y: base, xanchor: "right", yanchor: "bottom",
      showarrow: false, font: { size: 11, color: baseColour() }, bgcolor: paper(), borderpad: 2, yshift: 3 });
  }
  return made;
}

function traces(series) {
  const points = (name) => ({ x: series[name]?.[0] ?? [], y: series[name]?.[1] ?? [] });
  if (isPanels) {
    return PANELS.map(([name, title], i) => ({ ...points(name), type: "scatter", mode: mode(series[name]?.[0].length ?? 0), name: title,
      line: { color: tunedColour(), width: 1.5 }, marker: { size: 3, color: tunedColour() }, xaxis: `x${i ? i + 1 : ""}`, yaxis: `y${i ? i + 1 : ""}`,
      hovertemplate: "step %{x}: %{y:.4~g}<extra></extra>" }));
  }
  const row = { type: "scatter", hovertemplate: "%{y:.3f}" }, colour = tunedColour();
  return [
    { ...row, ...points("loss"), name: "training", mode: mode(series.loss?.[0].length ?? 0), line: { color: colour, width: 1.6 },
      marker: { size: 4, color: colour }, opacity: dark() ? 0.85 : 0.75 },
    { ...row, ...points("validation_loss"), name: "validation", mode: "lines+markers",
      line: { color: colour, width: 2.2, dash: "dash" }, marker: { size: 6, color: colour, symbol: "circle-open", line: { width: 2 } } },
    { ...row, x: best ? [best[0]] : [], y: best ? [best[1]] : [], name: "best so far", mode: "markers", hoverinfo: "skip",
      hovertemplate: null, marker: bestMarker() },
  ];
}

const mode = (count) => (count < 60 ? "lines+markers" : "lines");
// The buttons are named one by one: what a newer Plotly adds by itself may carry the chart to another machine.
const config = { displaylogo: false, responsive: true, doubleClick: "reset", displayModeBar: "hover",
  modeBarButtons: [["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
  showSendToCloud: false, plotlyServerURL: "" };
const names = isPanels ? PANELS.map(([name]) => name) : ["loss", "validation_loss"];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

async function draw(answer) {
  const plot = find(".lc-plot"), series = answer.series;
  const some = names.some((name) => series[name]?.[0].length);
  const empty = answer.full && !some;
  if (empty) {
    if (drawn) { Plotly.purge(plot); drawn = false; }
    find(".lc-empty p").textContent = answer.empty;
    find(".lc-empty").hidden = false;
    return;
  }
  if (!some && !answer.full) return;
  await loadPlotly();
  const baseBefore = base, bestBefore = best;
  base = answer.base ?? null;
  best = answer.best ?? null;
  find(".lc-empty").hidden = true;
  if (answer.full || !drawn) {
    await Plotly.react(plot, traces(series), layout(), config);
    if (!drawn) plot.on("plotly_relayout", zoomed);
    drawn = true;
    return;
  }
  const used = names.filter((name) => series[name]);
  await Plotly.extendTraces(plot, { x: used.map((n) => series[n][0]), y: used.map((n) => series[n][1]) },
    used.map((n) => names.indexOf(n)));
  const count = plot.data[0].x.length;
  if (plot.data[0].mode !== mode(count) ) await Plotly.restyle(plot, { mode: mode(count) }, isPanels ? undefined : [0]);
  if (!isPanels && !same(best, bestBefore)) await Plotly.restyle(plot, { x: [[best[0]]], y: [[best[1]]], marker: bestMarker() }, [2]);
  if (!isPanels && base !== baseBefore) {
    const { shapes, annotations } = layout();
    await Plotly.relayout(plot, { shapes, annotations });
  }
  hoverAgain(plot);
  if (plot.data.some((trace) => trace.x.length > MANY)) ask({ fresh: true });
}

let pointer = null;

function hoverAgain(plot) {
  // An extended trace drops the hover box; a still mouse sends no event to bring it back.
  const area = plot.querySelector(".nsewdrag");
  if (!isPanels && pointer && area?.matches(":hover")) Plotly.Fx.hover(plot, { ...pointer, target: area }, "xy");
}

function zoomed(change) {
  // A long curve is thinned; looking closer fetches the part in view with all its points.
  const from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
  if (!isPanels && (cursor ?? []).some((n) => n > MANY)) {
    if (from !== undefined) ask({ fresh: true, span: [Number(from), Number(to)] });
    else if (change["xaxis.autorange"]) ask({ fresh: true });
  }
}

async function ask(extra = {}) {
  clearTimeout(timer);
  if (!element.isConnected) return stop();
  if (!run || !visible || document.hidden) return;
  if (asking) { timer = setTimeout(() => ask(extra), 50); return; }
  asking = true;
  const asked = run;
  let wait = 1000;
  try {
    const answer = await server.points({ run, generation, cursor, ...extra });
    failures = 0;
    find(".lc-lost").hidden = true;
    if (asked === run) {
      if (answer.cursor) { await draw(answer); generation = answer.generation; cursor = answer.cursor; }
      element.dataset.points = (answer.cursor ?? []).join(",");
      if (find(".lc-numbers").open && Object.keys(answer.series).length) numbers();
      wait = answer.wait_ms;
    } else wait = 0;
  } catch (error) {
    failures += 1;
    if (failures > 2) find(".lc-lost").hidden = false;
    wait = Math.min(10000, 1000 * 2 ** failures);
  } finally {
    asking = false;
  }
  clearTimeout(timer);
  timer = setTimeout(ask, wait);
}

async function numbers() {
  const titles = { step: "Step", loss: "Training loss", validation_loss: "Validation loss", learning_rate: "Learning rate",
    gradient_norm: "Gradient norm", tokens_per_second: "Tokens/s", memory_gib: "Memory, GB" };
  const asked = isPanels ? ["step", ...PANELS.map(([name]) => name)] : ["step", "loss", "validation_loss"];
  const { rows } = await server.numbers({ run });
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of asked) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = titles[name];
    head.appendChild(cell);
  }
  const body = table.createTBody();
  for (const row of rows.reverse()) {
    if (asked.slice(1).every((name) => row[name] === null || row[name] === undefined)) continue;
    const line = body.insertRow();
    for (const name of asked) {
      const value = row[name];
      line.insertCell().textContent = value === null || value === undefined ? "" : name === "step" ? String(value) : Number(value.toPrecision(4)).toString();
    }
  }
  find(".lc-table").replaceChildren(table);
}

function choose() {
  const wanted = props.value?.run || null;
  if (wanted !== run) {
    run = wanted;
    generation = 0;
    cursor = best = base = null;
    if (drawn) { Plotly.purge(find(".lc-plot")); drawn = false; }
    find(".lc-empty p").textContent = wanted ? "The curve is being drawn." : "";
    find(".lc-empty").hidden = false;
    find(".lc-numbers").open = false;
    find(".lc-table").replaceChildren();
  }
  ask();
}

const seen = new IntersectionObserver((entries) => {
  visible = entries.some((entry) => entry.isIntersecting);
  if (visible) { if (drawn) Plotly.Plots.resize(find(".lc-plot")); ask(); }
});
const themed = new MutationObserver(() => {
  if (!drawn) return;
  const plot = find(".lc-plot"), fresh = traces({});
  plot.data.forEach((trace, i) => {
    if (trace.line && fresh[i].line) trace.line.color = fresh[i].line.color;
    trace.marker.color = fresh[i].marker.color;
    trace.opacity = fresh[i].opacity;
  });
  Plotly.react(plot, plot.data, layout(), config);
});
const shown = () => { if (!document.hidden) ask(); };

function stop() {
  clearTimeout(timer);
  seen.disconnect();
  themed.disconnect();
  document.removeEventListener("visibilitychange", shown);
}

if (isPanels) find(".lc-plot").setAttribute("aria-label", "Learning rate, gradient norm, speed and memory over the steps");
find(".lc-plot").addEventListener("mousemove", ({ clientX, clientY }) => { pointer = { clientX, clientY }; });
seen.observe(element);
themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
document.addEventListener("visibilitychange", shown);
find(".lc-numbers").addEventListener("toggle", (event) => { if (event.target.open) numbers(); });
watch("value", choose);
choose();
