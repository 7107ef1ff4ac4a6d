// One room: who is in it, or why that is not known. Each reason has its own sign, ground and words.

import { make, say } from "./stream.js";

// worse ones first: what is told of a room in which nobody is seen
const REASONS = {
  blind: ["unknown", "blind", "not_nobody"],
  "node-lost": ["unlinked", "node_down", "not_nobody"],
  offline: ["no-picture", "camera_down", "not_nobody"],
  stalled: ["no-picture", "camera_stalled", "not_nobody"],
  starting: ["unknown", "camera_starting", "waiting_more"],
  waiting: ["unknown", "waiting", "waiting_more"],
  "node-stopped": ["paused", "node_stopped", "not_nobody"],
  disabled: ["paused", "camera_disabled", "not_nobody"],
  privacy: ["private", "privacy", "privacy_more"],
  online: ["empty", "nobody", "nobody_more"],
};
const ORDER = Object.keys(REASONS);

function reasonOf(name, state) {
  if (!state.link || !state.broker.connected || !state.store.available) return "blind";
  const node = state.nodes.find((each) => name.startsWith(`${each.name}/`));
  if (node && node.state !== "online") return node.state === "stopped" ? "node-stopped" : "node-lost";
  const camera = state.cameras.find((each) => each.name === name);
  if (!camera) return "waiting";
  return Object.hasOwn(REASONS, camera.state) ? camera.state : "waiting";
}

export function drawRoom(card, state, view) {
  const cameras = JSON.parse(card.dataset.cameras);
  const reasons = cameras.map((name) => reasonOf(name, state)).sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const people = state.people.filter((person) => cameras.includes(person.camera));
  const worst = reasons[0] ?? "none";
  // where one of several cameras works, it is that one which says whether somebody is there
  const told = reasons.includes("online") && !people.length ? "online" : worst;
  card.className = `room ${people.length ? "people" : told}`;
  const inside = card.querySelector(".inside");
  const rows = people.length ? people.map((person) => personRow(person, state, view)) : [reasonBox(told, view)];
  const more = reasons.filter((reason) => reason !== "online" && (people.length || reason !== told));
  inside.replaceChildren(...rows, ...[...new Set(more)].map((reason) => noteLine(reason, view)));
}

function reasonBox(reason, view) {
  if (reason === "none") return box("empty", view.w.no_cameras, view.w.no_cameras_more, view);
  const [sign, title, more] = REASONS[reason];
  return box(sign, view.w[title], view.w[more], view);
}

function box(sign, title, more, view) {
  return make("div", "reason", view.mark(sign), make("p", "title", title), make("p", "more", more));
}

function noteLine(reason, view) {
  const [sign, title] = REASONS[reason];
  return make("p", `also ${reason}`, view.mark(sign), view.w[title]);
}

function personRow(person, state, view) {
  const stale = !person.certain || !state.link;
  const unsure = person.emotion === "uncertain";
  const known = view.resident(person.resident);
  const sure = unsure ? view.w.unsure : say(view.w.probability, { percent: `${Math.round(person.confidence * 100)}%` });
  const row = make(
    "div", stale ? "person stale" : "person",
    view.badge(person.emotion),
    make("div", "told",
      make("p", "name", known ?? say(view.w.person, { track: person.track })),
      make("p", "word", view.emotion(person.emotion, person.emotion_ja)),
      make("p", "sure", sure)),
    make("p", "age"),
  );
  const camera = state.cameras.find((each) => each.name === person.camera);
  row.dataset.emotion = Object.hasOwn(person, "emotion") ? person.emotion : "other";
  row.dataset.since = person.since_ms;
  row.dataset.heard = stale ? Math.max(person.heard_ms, person.since_ms) : Math.max(person.heard_ms, camera?.heard_ms ?? 0);
  return row;
}

function spanWords(ms, view) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return say(view.w.hours, { h: Math.floor(minutes / 60), m: minutes % 60 });
  return minutes ? say(view.w.minutes, { m: minutes }) : say(view.w.seconds, { s: seconds });
}

/** How old everything is; called every second. */
export function ages(place, view) {
  const now = view.now();
  for (const row of place.querySelectorAll(".person")) {
    const age = row.querySelector(".age");
    const heard = spanWords(now - Number(row.dataset.heard), view);
    const stale = row.classList.contains("stale");
    const since = say(view.w.since, { span: spanWords(now - Number(row.dataset.since), view) });
    const text = stale ? say(view.w.last_known, { span: heard }) : `${since} · ${say(view.w.heard, { span: heard })}`;
    if (age.textContent !== text) age.textContent = text;
  }
}
