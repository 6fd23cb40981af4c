// A small line chart in SVG: a few series over the epochs of a training.

import { language, say } from "./api.js";

const WIDE = 320;
const HIGH = 170;
const EDGE = { left: 44, right: 10, top: 10, bottom: 30 };

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * series: [{ name, values }], a value an epoch, null where there is none. Bounds of the axis: `from` and `to`, else those
 * of the values. `show` writes a value.
 */
export function chart(title, series, axis, { from, to, show = (value) => value.toLocaleString(language, { maximumFractionDigits: 2 }) } = {}) {
  const known = series.map((one) => ({ ...one, values: one.values ?? [] })).filter((one) => one.values.some((value) => value !== null));
  const all = known.flatMap((one) => one.values.filter((value) => value !== null));
  const low = from ?? Math.min(0, ...all);
  const high = to ?? Math.max(...all, low + 1e-9);
  const count = Math.max(...known.map((one) => one.values.length), 2);
  const x = (at) => EDGE.left + (at / (count - 1)) * (WIDE - EDGE.left - EDGE.right);
  const y = (value) => HIGH - EDGE.bottom - ((value - low) / (high - low || 1)) * (HIGH - EDGE.top - EDGE.bottom);
  const last = (one) => one.values.findLast((value) => value !== null);
  const words = known.map((one) => say("learn.chart", { name: one.name, first: show(one.values.find((value) => value !== null)), last: show(last(one)) })).join("; ");
  const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${title}: ${words}` });
  for (const value of [low, (low + high) / 2, high])
    drawing.append(svg("line", { x1: EDGE.left, x2: WIDE - EDGE.right, y1: y(value), y2: y(value), class: "rs-learn-grid" }), svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, show(value)));
  for (const at of [...new Set([0, Math.floor((count - 1) / 2), count - 1])]) drawing.append(svg("text", { x: x(at), y: HIGH - EDGE.bottom + 15, "text-anchor": "middle" }, `${at + 1}`));
  drawing.append(svg("text", { x: WIDE - EDGE.right, y: HIGH - 2, "text-anchor": "end" }, axis));
  known.forEach((one, number) => {
    const points = one.values.map((value, at) => (value === null ? "" : `${x(at).toFixed(1)},${y(value).toFixed(1)}`)).filter(Boolean);
    drawing.append(svg("polyline", { points: points.join(" "), class: `rs-learn-line rs-learn-line-${number}` }));
  });
  const figure = document.createElement("figure");
  figure.className = "rs-learn-chart";
  const caption = document.createElement("figcaption");
  caption.append(Object.assign(document.createElement("b"), { textContent: title }));
  known.forEach((one, number) => caption.append(Object.assign(document.createElement("span"), { className: `rs-learn-key rs-learn-key-${number}`, textContent: one.name })));
  figure.append(caption, drawing);
  return figure;
}
