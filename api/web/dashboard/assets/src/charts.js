// Charts over time. A page holds <figure class="chart" data-chart="ID"> and a <script type="application/json" id="ID">
// with { "times": [unix seconds], "series": [{ "label", "tone", "values": [] }] }; a table with the same numbers stands
// beside it for those who have no script.
import uPlot from "uplot";

const HEIGHT = 240; // of the plot; the legend comes below, so the height of the figure would make it grow for ever
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7]; // nobody sends half an email
// The axis tells time as the reader's country does: the hour where a day is looked at, else the day.
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const tell = (_, ticks, __, ___, step) => ticks.map((at) => (step < 86400 && new Date(at * 1000).getHours() ? hour : day).format(at * 1000));
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(`--${name}`).trim();

function draw(figure) {
  const source = document.getElementById(figure.dataset.chart);
  if (!source) return;
  const { times, series } = JSON.parse(source.textContent);
  figure.replaceChildren();
  const axis = { stroke: colour("text-3"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px Inter Variable" };
  const chart = new uPlot(
    {
      width: figure.clientWidth,
      height: HEIGHT,
      cursor: { y: false, points: { size: 7 } },
      hooks: { setCursor: [(plot) => figure.classList.toggle("is-asked", plot.cursor.idx != null)] },
      legend: { live: true },
      scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.08)] } },
      axes: [{ ...axis, values: tell }, { ...axis, size: 56, incrs: WHOLE, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString()) }],
      series: [
        { label: "Since", value: (_, at) => (at == null ? "–" : moment.format(at * 1000)) },
        ...series.map((one) => ({
          label: one.label,
          value: (_, count, __, index) => (index == null ? "–" : (count ?? 0).toLocaleString()),
          stroke: colour(one.tone),
          fill: `color-mix(in srgb, ${colour(one.tone)} 12%, transparent)`,
          width: 2,
          points: { show: false },
        })),
      ],
    },
    // What never happened draws no line: a red one along the bottom would look like trouble.
    [times, ...series.map((one) => (one.values.some(Boolean) ? one.values : one.values.map(() => null)))],
    figure,
  );
  const observer = new ResizeObserver(() => {
    if (!figure.isConnected) return observer.disconnect();
    if (figure.clientWidth) chart.setSize({ width: figure.clientWidth, height: HEIGHT });
  });
  observer.observe(figure);
}

function drawAll(root) {
  for (const figure of root.querySelectorAll("[data-chart]")) draw(figure);
}

drawAll(document);
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
