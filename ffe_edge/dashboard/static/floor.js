// The floor: rooms stand in the page, the stream says who is in them. Strings of the wire go in as text.

import { drawRoom, ages } from "./room.js";
import { follow, make, say, take } from "./stream.js";

const place = document.getElementById("floor");
const words = JSON.parse(place.dataset.words);
const residents = JSON.parse(place.dataset.residents);
const shapes = document.getElementById("shapes").content;

export const state = {
  link: true, known: false, offsetMs: 0,
  broker: { connected: true }, store: { available: true }, nodes: [], cameras: [], people: [],
};
const view = {
  w: words.floor,
  emotion: (label, japanese) =>
    Object.hasOwn(words.emotion, label) ? words.emotion[label] : document.documentElement.lang === "ja" ? japanese || label : label,
  cameraState: (name) => words.camera_state[name] ?? name,
  resident: (id) => (id && Object.hasOwn(residents, id) ? residents[id] : null),
  badge: (label) => copy(`[data-emotion="${Object.hasOwn(words.emotion, label) ? label : "other"}"]`),
  mark: (kind) => copy(`.mark.${kind}`),
  now: () => Date.now() + state.offsetMs,
};
const copy = (selector) => shapes.querySelector(selector).cloneNode(true);
const tail = (name) => name.slice(name.lastIndexOf("/") + 1);

function receive(kind, message) {
  if (kind === "alert") {
    countAlerts().catch(() => console.info("open alerts could not be counted; they are at the next news"));
    return;
  }
  // a page that stays open for months outlives the program that made it
  if (kind === "snapshot" && state.version && message.version !== state.version) return location.reload();
  state.offsetMs = message.now_ms - Date.now();
  take(state, kind, message).known = true;
  redraw();
}

function redraw() {
  if (!state.known && state.link) return;
  addCards();
  for (const card of place.querySelectorAll(".room")) drawRoom(card, state, view);
  drawChips();
  drawAlarms();
  ages(place, view);
}

/** Cameras that the page did not know when it was made. */
function addCards() {
  const known = new Set([...place.querySelectorAll(".room")].flatMap((card) => JSON.parse(card.dataset.cameras)));
  const fresh = state.cameras.filter((camera) => !known.has(camera.name));
  if (!fresh.length) return;
  const section = document.getElementById("unplaced");
  for (const camera of fresh) {
    const card = make("li", "room waiting", make("div", "top", make("h3", "", tail(camera.name))), make("div", "inside"));
    card.dataset.cameras = JSON.stringify([camera.name]);
    section.querySelector(".rooms").append(card);
  }
  section.hidden = false;
  document.getElementById("no-rooms")?.remove();
}

function chip(kind, what, text) {
  return make("li", `chip ${kind}`, view.mark(kind), make("span", "what", what), make("span", "", text));
}

function counted(what, list) {
  const up = list.filter((each) => each.state === "online").length;
  const bad = list.some((each) => ["lost", "stalled", "offline"].includes(each.state));
  const kind = !dark() && bad ? "bad" : dark() ? "empty" : up === list.length ? "good" : "paused";
  return chip(kind, what, dark() ? view.w.blind : say(view.w.count_up, { up, all: list.length }));
}

/** What a device that is away told of its camera holds no longer. */
function underNode(camera) {
  const node = state.nodes.find((each) => camera.name.startsWith(`${each.name}/`));
  return node && node.state !== "online" && camera.state === "online" ? node : camera;
}

const dark = () => !state.link || !state.broker.connected || !state.store.available;

function drawChips() {
  const { w } = view;
  const link = (up) => (up ? "good" : "bad");
  const chips = [];
  if (!state.link) chips.push(chip("bad", w.page, w.down));
  if (state.known && state.link) {
    chips.push(chip(link(state.broker.connected), w.broker, state.broker.connected ? w.up : w.down));
    if (!state.store.available) chips.push(chip("bad", w.database, w.down));
  }
  if (state.nodes.length) chips.push(counted(w.nodes, state.nodes));
  if (state.cameras.length) chips.push(counted(w.cameras, state.cameras.map(underNode)));
  document.getElementById("connections").replaceChildren(...chips);
}

function alarms() {
  const { w } = view;
  if (!state.link) return [w.alarm_page];
  if (!state.broker.connected) return [w.alarm_broker];
  if (!state.store.available) return [w.alarm_database];
  return state.nodes.filter((node) => node.state === "lost").map((node) => say(w.alarm_node, { name: tail(node.name) }));
}

async function countAlerts() {
  const answer = await fetch("/api/v1/alerts?only_open=true&limit=100");
  if (answer.ok) drawAlerts((await answer.json()).alerts.length);
}

function drawAlerts(count) {
  const box = document.getElementById("open-alerts");
  if (box.dataset.shown === String(count)) return;
  box.dataset.shown = String(count);
  const link = make("a", "", view.w.to_alerts);
  link.href = "/alerts";
  const text = make("strong", "", say(view.w.alarm_alerts, { count }));
  box.replaceChildren(...(count ? [make("p", "alarm bad", view.mark("bad"), text, link)] : []));
}

function drawAlarms() {
  const box = document.getElementById("alarms");
  const texts = alarms();
  const shown = JSON.stringify(texts);
  if (box.dataset.shown === shown) return; // a live region that is written again is read out again
  box.dataset.shown = shown;
  box.replaceChildren(...texts.map((text) => make("p", "alarm bad", view.mark("bad"), make("strong", "", text))));
}

follow(receive, (isLost) => {
  state.link = !isLost;
  redraw();
});
drawAlerts(Number(document.getElementById("open-alerts").dataset.open));
setInterval(() => ages(place, view), 1000);
