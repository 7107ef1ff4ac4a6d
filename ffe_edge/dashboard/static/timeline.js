// The moving timeline: one lane a person; what is not known is hatched, where nobody was is empty.

import { drawnAs, emotionWord, kanji, words } from "./words.js";

const WINDOW_MS = 180_000;
const LANE = 38;
const AXIS = 28;
const MAX_LANES = 8;

/** Events -> lanes of [from, to, emotion]; `to` is null while the person is in view. */
export function lanesOf(events, nowMs) {
  const lanes = new Map();
  for (const event of [...events].sort((a, b) => a.at_ms - b.at_ms)) {
    if (event.person === null) continue;
    if (!lanes.has(event.person)) lanes.set(event.person, { track: event.track, camera: event.camera, segments: [] });
    addEdge(lanes.get(event.person).segments, event);
  }
  const recent = ([, lane]) => lane.segments.some((segment) => (segment.to ?? nowMs) > nowMs - WINDOW_MS);
  return [...lanes].filter(recent).slice(-MAX_LANES);
}

function addEdge(segments, event) {
  const open = segments.at(-1);
  if (open && open.to === null) open.to = event.at_ms;
  else if (event.change !== "start" && event.held_ms > 0) {
    segments.push({ from: event.at_ms - event.held_ms, to: event.at_ms, emotion: event.previous ?? event.emotion });
  }
  if (event.change === "start" || event.change === "change") {
    segments.push({ from: event.at_ms, to: null, emotion: event.emotion, japanese: event.emotion_ja });
  }
}

export class Timeline {
  constructor(canvas) {
    this.canvas = canvas;
    this.colours = new Map();
  }

  /** Forget the colours: the theme has changed. */
  restyle() {
    this.colours.clear();
  }

  draw(state, nowMs) {
    const lanes = lanesOf(state.events, nowMs);
    const pen = this.#prepare(Math.max(lanes.length, 1) * LANE + AXIS);
    const left = this.width < 500 ? 64 : 96;
    const x = (ms) => left + ((ms - nowMs + WINDOW_MS) / WINDOW_MS) * (this.width - left - 8);
    this.#axis(pen, x, nowMs, left);
    lanes.forEach(([person, lane], row) => this.#lane(pen, x, { person, ...lane }, row * LANE, state, nowMs, left));
    const broken = state.outages.filter((outage) => this.#shown(outage, nowMs));
    if (!lanes.length) this.#empty(pen, x, broken, nowMs, left);
    this.#label(lanes.map(([, lane]) => words().person(lane.track)));
  }

  #prepare(height) {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    if (this.canvas.style.height !== `${height}px`) this.canvas.style.height = `${height}px`;
    const [w, h] = [Math.round(this.width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, height);
    pen.textBaseline = "middle";
    this.height = height;
    return pen;
  }

  #axis(pen, x, nowMs, left) {
    pen.strokeStyle = this.#colour("--line");
    pen.fillStyle = this.#colour("--soft");
    pen.font = this.#font(14);
    pen.lineWidth = 1;
    for (let minute = 0; minute <= WINDOW_MS / 60_000; minute++) {
      const at = Math.round(x(nowMs - minute * 60_000)) - 0.5;
      pen.beginPath();
      pen.moveTo(at, 0);
      pen.lineTo(at, this.height - AXIS + 6);
      pen.stroke();
      pen.textAlign = minute === 0 ? "right" : at < left + 20 ? "left" : "center";
      const ago = this.width < 500 ? words().minutesAgoShort(minute) : words().minutesAgo(minute);
      pen.fillText(minute ? ago : words().now, at, this.height - 10);
    }
  }

  #lane(pen, x, lane, y, state, nowMs, left) {
    pen.font = this.#font(16, 600);
    pen.textAlign = "left";
    pen.fillStyle = this.#colour("--ink");
    pen.fillText(words().person(lane.track), 0, y + LANE / 2, left - 8);
    for (const segment of lane.segments) {
      if ((segment.to ?? nowMs) < nowMs - WINDOW_MS) continue;
      this.#segment(pen, Math.max(x(segment.from), left), x(segment.to ?? nowMs), y, segment);
    }
    for (const outage of state.outages) {
      const hit = outage.place === "broker" || lane.camera === outage.place || lane.camera.startsWith(`${outage.place}/`);
      if (hit && this.#shown(outage, nowMs)) this.#hatch(pen, x, outage, y, nowMs, left);
    }
  }

  #segment(pen, from, to, y, segment) {
    const width = Math.max(to - from - 1.5, 1.5);
    const kind = drawnAs(segment.emotion);
    pen.fillStyle = this.#colour(`--${kind}`);
    pen.beginPath();
    pen.roundRect(from, y + 4, width, LANE - 8, Math.min(6, width / 2));
    pen.fill();
    if (this.#colour(`--${kind}-edge`)) {
      pen.strokeStyle = this.#colour(`--${kind}-edge`);
      pen.lineWidth = 1;
      pen.stroke();
    }
    if (kind === "uncertain" || kind === "other") {
      pen.strokeStyle = this.#colour("--soft");
      pen.setLineDash([4, 3]);
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.fillStyle = this.#colour(`--${kind}-ink`);
    pen.textAlign = "left";
    pen.font = this.#font(16, 700);
    const word = emotionWord(segment.emotion, segment.japanese);
    const sign = kanji(segment.emotion);
    const text = [word.includes(sign) ? word : `${sign} ${word}`, word, sign].find(
      (candidate) => pen.measureText(candidate).width + 10 < width,
    );
    if (text) pen.fillText(text, from + 6, y + LANE / 2 + 1);
  }

  #hatch(pen, x, outage, y, nowMs, left) {
    const from = Math.max(x(outage.from_ms), left);
    const to = x(outage.to_ms ?? nowMs);
    pen.save();
    pen.beginPath();
    pen.rect(from, y + 2, to - from, LANE - 4);
    pen.clip();
    pen.fillStyle = this.#colour("--panel");
    pen.fillRect(from, y, to - from, LANE);
    pen.strokeStyle = this.#colour("--alarm");
    pen.globalAlpha = 0.45;
    pen.lineWidth = 2;
    for (let start = from - LANE; start < to; start += 9) {
      pen.beginPath();
      pen.moveTo(start, y + LANE);
      pen.lineTo(start + LANE, y);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    this.#plate(pen, words().outage, from, to, y);
    pen.restore();
  }

  #plate(pen, text, from, to, y) {
    pen.font = this.#font(14, 600);
    const width = pen.measureText(text).width + 12;
    if (width + 8 > to - from) return;
    pen.fillStyle = this.#colour("--panel");
    pen.fillRect((from + to - width) / 2, y + 9, width, LANE - 18);
    pen.fillStyle = this.#colour("--ink");
    pen.textAlign = "center";
    pen.fillText(text, (from + to) / 2, y + LANE / 2 + 1);
  }

  #empty(pen, x, broken, nowMs, left) {
    if (broken.length) {
      for (const outage of broken) this.#hatch(pen, x, outage, 0, nowMs, left);
      return;
    }
    this.#plate(pen, words().noLanes, left, this.width, 0);
  }

  #label(names) {
    const label = words().lanes(names);
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
  }

  #shown(outage, nowMs) {
    const [from, to] = [outage.from_ms, outage.to_ms ?? nowMs];
    return to > nowMs - WINDOW_MS && to - from > 1000;
  }

  #colour(name) {
    if (!this.colours.has(name)) {
      this.colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    }
    return this.colours.get(name);
  }

  #font(size, weight = 400) {
    return `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  }
}
