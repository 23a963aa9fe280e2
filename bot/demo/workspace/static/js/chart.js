// data_visualization as inline SVG. Series differ by dash and marker as well as colour; the numbers are in a table below.

import { h, s } from "./dom.js";

const WIDTH = 500, HEIGHT = 216, LEFT = 52, RIGHT = 14, TOP = 14, BOTTOM = 44;
const DASHES = ["", "7 4", "2 4", "10 4 2 4", "1 3", "12 3"];
const MARKS = ["circle", "square", "diamond", "triangle", "cross", "ring"];

export function short(value) {
  const size = Math.abs(value);
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) return `${Number((value / (unit === "k" ? 1e3 : limit)).toPrecision(3))}${unit}`;
  }
  return String(Number(value.toPrecision(3)));
}

function ticks(low, high) {
  const span = high - low || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= rough);
  const first = Math.floor(low / step) * step;
  const made = [];
  for (let value = first; value < high + step; value += step) made.push(Number(value.toPrecision(10)));
  return made;
}

function mark(kind, x, y, slot) {
  const r = 3.4;
  const style = `fill-${slot} mark`;
  if (kind === "square") return s("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r, class: style });
  if (kind === "diamond") return s("path", { d: `M${x} ${y - r - 1}L${x + r + 1} ${y}L${x} ${y + r + 1}L${x - r - 1} ${y}Z`, class: style });
  if (kind === "triangle") return s("path", { d: `M${x} ${y - r - 1}L${x + r + 1} ${y + r}L${x - r - 1} ${y + r}Z`, class: style });
  if (kind === "cross") return s("path", { d: `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`, class: `line-${slot}` });
  return s("circle", { cx: x, cy: y, r, class: kind === "ring" ? `line-${slot} hollow` : style });
}

function axes(scale, categories, config) {
  const { low, y, slot } = scale;
  const made = scale.ticks.map((value) => [
    s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: value === Math.max(0, low) ? "axis" : "gridline" }),
    s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)),
  ]);
  const room = (WIDTH - LEFT - RIGHT) / categories.length;
  const every = Math.max(1, Math.ceil((Math.max(...categories.map((c) => c.length)) * 6.6 + 10) / room));
  categories.forEach((label, place) => {
    if (place % every) return;
    made.push(s("text", { x: slot(place), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, label));
  });
  if (config.x_label) made.push(s("text", { x: LEFT + (WIDTH - LEFT - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle", class: "title" }, config.x_label));
  if (config.y_label) made.push(s("text", { x: 12, y: TOP + (HEIGHT - TOP - BOTTOM) / 2, "text-anchor": "middle", class: "title", transform: `rotate(-90 12 ${TOP + (HEIGHT - TOP - BOTTOM) / 2})` }, config.y_label));
  return made;
}

function scaleOf(chart, categories) {
  const values = chart.series.flatMap((series) => series.data.map((point) => point.value));
  const lows = chart.type === "line" ? Math.min(...values) : Math.min(0, ...values);
  const marks = ticks(Math.min(0, lows), Math.max(...values, chart.type === "line" ? lows : 0) || 1);
  const low = marks[0], high = marks[marks.length - 1];
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low || 1));
  const width = (WIDTH - LEFT - RIGHT) / categories.length;
  return { ticks: marks, low: marks[0], y, width, slot: (place) => LEFT + width * (place + 0.5) };
}

function plot(chart, categories) {
  const scale = scaleOf(chart, categories);
  const valueAt = (series, label) => series.data.find((point) => point.label === label)?.value ?? 0;
  const shapes = chart.series.map((series, slot) => {
    const points = categories.map((label, place) => [scale.slot(place), scale.y(valueAt(series, label))]);
    if (chart.type === "bar") {
      const thick = Math.min(34, (scale.width * 0.76) / chart.series.length);
      const zero = scale.y(Math.max(0, scale.low));
      return points.map(([x, y]) => s("rect", { class: `fill-${slot} bar`, x: x - (thick * chart.series.length) / 2 + slot * thick, y: Math.min(y, zero), width: Math.max(1, thick - 2), height: Math.max(1, Math.abs(zero - y)), rx: 1.5 }));
    }
    const path = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const floor = scale.y(Math.max(0, scale.low));
    return [
      chart.type === "area" ? s("path", { class: `fill-${slot} area`, d: `${path}L${points[points.length - 1][0]} ${floor}L${points[0][0]} ${floor}Z` }) : null,
      s("path", { class: `line-${slot}`, d: path, "stroke-dasharray": DASHES[slot] }),
      points.map(([x, y]) => mark(MARKS[slot], x, y, slot)),
    ];
  });
  return s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", "aria-hidden": "true" }, axes(scale, categories, chart.axis_config), shapes);
}

function pie(segments) {
  const total = segments.reduce((sum, segment) => sum + segment.value, 0);
  const at = (share) => [110 + 88 * Math.sin(2 * Math.PI * share), 104 - 88 * Math.cos(2 * Math.PI * share)];
  let from = 0;
  const slices = segments.map((segment, slot) => {
    const to = from + segment.value / total;
    const [x1, y1] = at(from), [x2, y2] = at(to);
    const [tx, ty] = [110 + 58 * Math.sin(Math.PI * (from + to)), 104 - 58 * Math.cos(Math.PI * (from + to))];
    const whole = to - from > 0.9999;
    const shape = whole ? s("circle", { cx: 110, cy: 104, r: 88, class: `fill-${slot} slice` })
      : s("path", { class: `fill-${slot} slice`, d: `M110 104L${x1} ${y1}A88 88 0 ${to - from > 0.5 ? 1 : 0} 1 ${x2} ${y2}Z` });
    const share = to - from > 0.06 ? s("text", { x: tx, y: ty + 4, "text-anchor": "middle", class: "share" }, `${Math.round((to - from) * 100)}%`) : null;
    from = to;
    return [shape, share];
  });
  return s("svg", { viewBox: "0 0 220 208", class: "chart pie", "aria-hidden": "true" }, slices);
}

function legend(names, kind) {
  return h("ul", { class: "legend", "aria-hidden": "true" }, names.map((name, slot) => h("li", {},
    s("svg", { viewBox: "0 0 26 12", class: "chart key" }, kind === "pie" || kind === "bar"
      ? s("rect", { x: 7, y: 0, width: 12, height: 12, rx: 2, class: `fill-${slot}` })
      : [s("path", { class: `line-${slot}`, d: "M0 6H26", "stroke-dasharray": DASHES[slot] }), mark(MARKS[slot], 13, 6, slot)]), name)));
}

function numbers(chart, categories, names) {
  const rows = chart.type === "pie"
    ? chart.segments.map((segment) => [segment.label, segment.value])
    : categories.map((label) => [label, ...chart.series.map((series) => series.data.find((point) => point.label === label)?.value)]);
  const head = chart.type === "pie" ? ["", "Value"] : ["", ...names];
  return h("details", { class: "numbers" }, h("summary", {}, "Numbers"), h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "grid" },
    h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, cell)))),
    h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", { class: "number" }, String(cell)))))))));
}

export function visualization(block) {
  const chart = block.chart;
  const categories = chart.type === "pie" ? chart.segments.map((segment) => segment.label) : chart.axis_config.categories;
  const names = chart.type === "pie" ? categories : chart.series.map((series) => series.name);
  const picture = chart.type === "pie" ? pie(chart.segments) : plot(chart, categories);
  return h("figure", { class: "visualization", "aria-label": `${chart.type} chart: ${block.title}` },
    h("figcaption", {}, block.title), picture, names.length > 1 || chart.type === "pie" ? legend(names, chart.type) : null,
    numbers(chart, categories, names));
}
