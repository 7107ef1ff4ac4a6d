// One shape an emotion, so that it is never told by colour alone. All fit a square of 48.

import { drawnAs, kanji } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

function polygon(points, outer, inner = outer, turn = -Math.PI / 2) {
  const corners = [];
  for (let i = 0; i < points; i++) {
    const radius = i % 2 ? inner : outer;
    const angle = turn + (i * 2 * Math.PI) / points;
    corners.push(`${(24 + radius * Math.cos(angle)).toFixed(2)} ${(24 + radius * Math.sin(angle)).toFixed(2)}`);
  }
  return `M${corners.join("L")}z`;
}

// path, and where the middle of its sign stands
const SHAPES = {
  joy: ["M24 2a22 22 0 1 0 0 44a22 22 0 1 0 0-44z", 24],
  sadness: ["M24 0C31 11 43 20 43 30a19 17 0 0 1-38 0C5 20 17 11 24 0z", 29],
  fear: ["M4 3h40a3.4 3.4 0 0 1 3 5L27 45a3.4 3.4 0 0 1-6 0L1 8a3.4 3.4 0 0 1 3-5z", 18],
  surprise: [polygon(20, 24, 19), 24],
  anger: ["M21 3a3.4 3.4 0 0 1 6 0l20 37a3.4 3.4 0 0 1-3 5H4a3.4 3.4 0 0 1-3-5z", 31],
  disgust: [polygon(6, 23.5, 23.5, 0), 24],
  excitement: ["M21.5 1.5a3.5 3.5 0 0 1 5 0l20 20a3.5 3.5 0 0 1 0 5l-20 20a3.5 3.5 0 0 1-5 0l-20-20a3.5 3.5 0 0 1 0-5z", 24],
  relaxation: ["M14 9h20a15 15 0 0 1 0 30H14a15 15 0 0 1 0-30z", 24],
  neutral: ["M9 4h30a5 5 0 0 1 5 5v30a5 5 0 0 1-5 5H9a5 5 0 0 1-5-5V9a5 5 0 0 1 5-5z", 24],
  uncertain: ["M24 3a21 21 0 1 0 0 42a21 21 0 1 0 0-42z", 24],
  other: ["M9 4h30a5 5 0 0 1 5 5v30a5 5 0 0 1-5 5H9a5 5 0 0 1-5-5V9a5 5 0 0 1 5-5z", 24],
};

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** An <svg> of an emotion. Words beside it say the same: it is hidden from screen readers. */
export function badge(emotion) {
  const [path, middle] = SHAPES[drawnAs(emotion)];
  const svg = element("svg", { viewBox: "-1 -1 50 50", class: "badge", "aria-hidden": "true" });
  svg.dataset.emotion = drawnAs(emotion);
  const sign = element("text", { x: 24, y: middle, class: "sign" });
  sign.textContent = kanji(emotion);
  svg.append(element("path", { d: path, class: "shape" }), sign);
  return svg;
}

/** A triangle, a pause sign, a tick or an empty ring: states differ in shape too. */
export function mark(kind) {
  const paths = {
    good: "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40zM13 25l8 8l15-17",
    bad: "M24 5L45 42H3zM24 18v12M24 35v2",
    paused: "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40zM19 16v16M29 16v16",
    empty: "M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40z",
  };
  const svg = element("svg", { viewBox: "0 0 48 48", class: "mark", "aria-hidden": "true" });
  svg.append(element("path", { d: paths[kind] }));
  return svg;
}
