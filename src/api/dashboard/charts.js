// The curves: inline SVG, drawn anew with each reading.

import { byId, el, keep, setText, svg } from "./dom.js";
import { millis, number, say, span } from "./words.js";

const HEIGHT = 150;
const LEFT = 50;
const BOTTOM = 20;
const TOP = 8;
const RIGHT = 6;
const MINUTES = [15, 10, 5, 0];
/** What is shown as current: the mean of so many finished buckets; of times, which are not known of each, of more. */
const RECENT = 3;
const RECENT_TIMES = 12;

const rate = (column) => (history) => history[column].map((count) => count / history.bucket_seconds);
const column = (name) => (history) => history[name];

const CURVES = [
  {
    title: "requests_a_second",
    format: number,
    lowest: 1,
    lines: [
      { name: () => say("requests"), hue: "hue-a", values: rate("requests"), area: true },
      { name: () => say("errors_short"), hue: "hue-c", values: rate("errors"), area: true },
    ],
  },
  {
    title: "first_token",
    format: millis,
    lowest: 100,
    recent: RECENT_TIMES,
    lines: [
      { name: () => "p50", hue: "hue-a", values: column("ttft_p50_ms") },
      { name: () => "p95", hue: "hue-b", values: column("ttft_p95_ms") },
    ],
  },
  {
    title: "output_a_second",
    format: number,
    lowest: 10,
    lines: [{ name: () => say("tokens"), hue: "hue-a", values: rate("output_tokens"), area: true }],
  },
];

/** `history`: of the summary. Its last bucket is unfinished and left out. */
export function showCurves(history) {
  const finished = Object.fromEntries(
    Object.entries(history).map(([name, values]) => [name, Array.isArray(values) ? values.slice(0, -1) : values]),
  );
  keep(byId("curves"), CURVES, (curve) => curve.title, (curve) => curveCard(curve, finished));
  for (const curve of CURVES) curve.show(finished);
}

function curveCard(curve) {
  const title = el("h3");
  const values = curve.lines.map((line) => ({ swatch: el("i", { class: line.hue }), value: el("span"), name: el("small") }));
  const nows = values.map(({ swatch, value, name }) => el("span", { class: "now" }, swatch, value, " ", name));
  const picture = svg("svg", { role: "img" });
  let history = null;
  let pointed = null;

  const draw = () => {
    if (!history) return;
    const columns = curve.lines.map((line) => line.values(history));
    const count = columns[0].length;
    const width = Math.max(200, picture.clientWidth || 300);
    const most = Math.max(...columns.flat().filter((value) => value !== null), 0);
    const top = niceTop(Math.max(most, curve.lowest));
    const x = (place) => LEFT + ((width - LEFT - RIGHT) * place) / (count - 1);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const place = pointed === null ? null : Math.round(((pointed - LEFT) / (width - LEFT - RIGHT)) * (count - 1));
    const at = place === null ? null : Math.min(count - 1, Math.max(0, place));

    const shown = columns.map((all) => curve.format(at === null ? recent(all, curve.recent) : all[at]));
    const when = at === null ? "" : ` · ${say("ago", span((count - 1 - at) * history.bucket_seconds))}`;
    setText(title, say(curve.title) + when);
    values.forEach(({ value, name }, line) => {
      setText(value, shown[line]);
      setText(name, curve.lines[line].name());
    });
    const told = curve.lines.map((line, index) => `${line.name()} ${shown[index]}`).join(", ");
    picture.setAttribute("aria-label", say("curve_label", say(curve.title), told, curve.format(most)));
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.replaceChildren(
      ...[0, top / 2, top].flatMap((value) => [
        svg("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, curve.format(value)),
      ]),
      ...MINUTES.map((minutes) => {
        const attributes = { x: x((count - 1) * (1 - minutes / 15)), y: HEIGHT - 4, "text-anchor": { 15: "start", 0: "end" }[minutes] ?? "middle" };
        return svg("text", attributes, minutes ? say("minutes_ago", minutes) : say("now"));
      }),
      ...columns.flatMap((all, line) => paths(curve.lines[line], all, x, y)),
      ...(at === null ? [] : [svg("line", { class: "cursor", x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM })]),
    );
  };

  const point = (event) => {
    pointed = event.type === "pointerleave" ? null : event.offsetX;
    draw();
  };
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerleave", point);
  new ResizeObserver(draw).observe(picture);
  curve.show = (finished) => {
    history = finished;
    draw();
  };
  return { node: el("div", { class: "card curve" }, el("div", { class: "head" }, title, ...nows), picture), show: () => {} };
}

/** A line with a gap where nothing is known, a dot where one value stands alone, and maybe the area below it. */
function paths(line, values, x, y) {
  const runs = [];
  values.forEach((value, place) => {
    if (value === null) return;
    if (place === 0 || values[place - 1] === null) runs.push([]);
    runs.at(-1).push([x(place).toFixed(1), y(value).toFixed(1)]);
  });
  const stroke = runs.map((run) => `M${run.map((point) => point.join(" ")).join("L")}h0`).join("");
  const area = runs.map((run) => `M${run[0][0]} ${y(0)}L${run.map((point) => point.join(" ")).join("L")}L${run.at(-1)[0]} ${y(0)}Z`).join("");
  return [line.area ? svg("path", { class: `area ${line.hue}`, d: area }) : null, svg("path", { class: line.hue, d: stroke })].filter(Boolean);
}

/** The mean of what is known of the last buckets; `null` if nothing is. */
function recent(values, count = RECENT) {
  const known = values.slice(-count).filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

/** The next of 1, 2, 5, 10, 20 … that is not below it. */
function niceTop(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * [1, 2, 5, 10].find((step) => step * unit >= value * 0.9999);
}
