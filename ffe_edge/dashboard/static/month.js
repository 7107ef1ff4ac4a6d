// Thirty days of one emotion: bars by day, the usual share as a line, its spread as a band. The table says the same.

const place = document.getElementById("month");
const choose = document.getElementById("choose");
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(`--${name}`).trim();

function draw(chart, words, emotion) {
  const chosen = chart.emotions.find((each) => each.id === emotion);
  const x = chart.days.map((_, index) => index);
  const low = chosen.usual === null ? null : Math.max(0, chosen.usual - 2 * chosen.spread);
  const high = chosen.usual === null ? null : Math.min(1, chosen.usual + 2 * chosen.spread);
  const flat = (value) => x.map(() => value);
  const data = [x, flat(high), flat(low), flat(chosen.usual), chosen.shares];
  place.replaceChildren();
  return new uPlot(options(chart, words, chosen), data, place);
}

function options(chart, words, chosen) {
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "14px system-ui, sans-serif" };
  const plain = { show: true, points: { show: false }, width: 0 };
  const isOurs = CSS.supports("color", colour(chosen.id)) && colour(chosen.id);
  return {
    width: place.clientWidth, height: 260, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false, range: [-0.6, chart.days.length - 0.4] }, y: { range: (_plot, _min, max) => [0, Math.min(1, Math.max(0.1, max * 1.15))] } },
    axes: [
      { ...axis, values: (_plot, splits) => splits.map((at) => chart.days[at] ?? ""), incrs: [1, 2, 5, 10], grid: { show: false } },
      { ...axis, values: (_plot, splits) => splits.map((at) => `${Math.round(at * 100)}%`), size: 56 },
    ],
    bands: [{ series: [1, 2], fill: colour("band") }],
    series: [
      {}, plain, plain,
      { ...plain, stroke: colour("ink"), width: 2, dash: [7, 5] },
      { fill: isOurs || colour("soft"), stroke: colour(`${chosen.id}-edge`) || colour("ink"), width: 1, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 40] }) },
    ],
  };
}

function start() {
  const chart = JSON.parse(place.dataset.chart);
  const words = JSON.parse(place.dataset.words);
  if (!chart.emotions.length || typeof uPlot === "undefined") return;
  place.hidden = choose.hidden = false;
  const total = (each) => each.shares.reduce((sum, share) => sum + (share ?? 0), 0);
  let shown = [...chart.emotions].sort((a, b) => total(b) - total(a)).find((each) => each.id === "joy") ?? chart.emotions[0];
  let plot;
  const show = (id) => {
    shown = chart.emotions.find((each) => each.id === id);
    plot?.destroy();
    plot = draw(chart, words, id);
    for (const button of choose.children) button.setAttribute("aria-pressed", String(button.dataset.emotion === id));
  };
  choose.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) show(button.dataset.emotion);
  });
  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: 260 })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(shown.id));
  show(shown.id);
}

if (place) start();
