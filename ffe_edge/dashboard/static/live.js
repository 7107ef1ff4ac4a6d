// The page: follows the server's events, keeps the picture, draws it. Text goes in as text, never as HTML.

import { announce, drawAges, drawAll } from "./draw.js";
import { Timeline } from "./timeline.js";
import { getLanguage, setLanguage, words } from "./words.js";

const SILENCE_MS = 15_000; // the server beats every 5 s
const MAX_EVENTS = 400;

const state = {
  link: false,
  broker: { connected: true, since_ms: null },
  nodes: [], cameras: [], people: [], events: [], outages: [],
  heard: performance.now(),
  known: false, // a snapshot has come
  offsetMs: 0, // the server's clock minus ours
};
const timeline = new Timeline(document.getElementById("lanes"));

const serverNow = () => Date.now() + state.offsetMs;

function receive(kind, text) {
  state.heard = performance.now();
  setLink(true);
  if (kind === "beat") return;
  const message = JSON.parse(text);
  state.offsetMs = message.now_ms - Date.now();
  const seen = kind === "snapshot" ? new Set() : new Set(state.events.map((event) => event.id));
  const fresh = message.events.filter((event) => !seen.has(event.id));
  const events = kind === "snapshot" ? fresh : [...state.events, ...fresh].slice(-MAX_EVENTS);
  Object.assign(state, message, { events, known: true });
  redraw();
  if (kind === "update") announce(fresh);
}

function setLink(link) {
  if (state.link === link) return;
  state.link = link;
  redraw();
}

function follow() {
  const source = new EventSource("/events");
  for (const kind of ["snapshot", "update", "beat"]) {
    source.addEventListener(kind, (event) => receive(kind, event.data));
  }
  source.addEventListener("error", () => {
    setLink(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

function redraw() {
  drawAll(state, serverNow());
  timeline.draw(state, serverNow());
}

function translate() {
  const w = words();
  document.documentElement.lang = getLanguage();
  document.title = `${w.title} – FFE-Edge`;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = w[place.dataset.word];
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", w[place.dataset.label]);
  for (const button of document.querySelectorAll("[data-lang]")) {
    button.setAttribute("aria-pressed", String(button.dataset.lang === getLanguage()));
  }
  redraw();
}

function tick() {
  if (performance.now() - state.heard > SILENCE_MS) setLink(false);
  drawAges(state, serverNow());
}

function animate() {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let drawn = 0;
  const step = (time) => {
    if (time - drawn > (still.matches ? 1000 : 66)) {
      drawn = time;
      timeline.draw(state, serverNow());
    }
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

for (const button of document.querySelectorAll("[data-lang]")) {
  button.addEventListener("click", () => {
    setLanguage(button.dataset.lang);
    translate();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => timeline.restyle());
translate();
follow();
animate();
setInterval(tick, 500);
