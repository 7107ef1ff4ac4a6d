// State -> page. Every string of the wire goes in as text.

import { badge, mark } from "./shapes.js";
import { clock, drawnAs, emotionWord, span, words } from "./words.js";

const LISTED = 40;
const BROKEN_CAMERA = ["stalled", "offline"];
const at = (id) => document.getElementById(id);

function make(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

const percent = (share) => `${Math.round(share * 100)}%`;
const tail = (name) => name.slice(name.lastIndexOf("/") + 1);

export function drawAll(state, now) {
  drawConnections(state);
  drawAlarms(state);
  drawCards(state);
  drawNobody(state);
  drawEvents(state);
  drawAges(state, now);
}

// ---------------------------------------------------------------- connections

function chip(kind, label, text, note) {
  const item = make("li", `chip ${kind}`, mark(kind), make("span", "what", label), make("span", "", text));
  if (note) item.title = note;
  return item;
}

function drawConnections(state) {
  const w = words();
  const chips = [];
  if (!state.link) chips.push(chip("bad", w.page, w.down));
  if (state.known) {
    const up = state.broker.connected;
    chips.push(chip(up ? "good" : "bad", w.broker, up ? w.up : w.down));
  }
  const dark = !state.link || !state.broker.connected;
  for (const node of state.nodes) {
    const kind = node.state === "lost" ? "bad" : node.state === "stopped" ? "paused" : dark ? "empty" : "good";
    chips.push(chip(kind, `${w.node} ${tail(node.name)}`, kind === "empty" ? w.notKnown : w.nodeStates[node.state]));
  }
  for (const camera of state.cameras) {
    const kind = cameraKind(camera, state);
    const text = kind === "empty" ? w.notKnown : w.cameraStates[camera.state];
    chips.push(chip(kind, `${w.camera} ${tail(camera.name)}`, text, camera.reason));
  }
  at("connections").replaceChildren(...chips);
}

function cameraKind(camera, state) {
  if (!isTold(camera, state)) return "empty";
  if (BROKEN_CAMERA.includes(camera.state)) return "bad";
  if (camera.state !== "online") return "paused";
  return "good";
}

/** Whether news of this camera can reach us at all. */
function isTold(camera, state) {
  const node = state.nodes.find((candidate) => camera.name.startsWith(`${candidate.name}/`));
  return state.link && state.broker.connected && (!node || node.state === "online");
}

// ---------------------------------------------------------------- alarms

function alarmsOf(state) {
  const w = words();
  if (!state.link && state.known) return [["bad", w.alarm.page, ""]];
  if (!state.link) return [];
  if (!state.broker.connected) return [["bad", w.alarm.broker, ""]];
  const alarms = [];
  for (const node of state.nodes) {
    if (node.state !== "online") {
      alarms.push([node.state === "lost" ? "bad" : "paused", w.alarm[node.state](tail(node.name)), ""]);
    }
  }
  for (const camera of state.cameras.filter((candidate) => isTold(candidate, state))) {
    if (camera.state === "online") continue;
    const kind = BROKEN_CAMERA.includes(camera.state) ? "bad" : "paused";
    alarms.push([kind, w.alarm[camera.state](tail(camera.name)), camera.reason]);
  }
  return alarms;
}

function drawAlarms(state) {
  const alarms = alarmsOf(state);
  const shown = JSON.stringify(alarms);
  const place = at("alarms");
  if (place.dataset.shown === shown) return; // a live region that is written again is read out again
  place.dataset.shown = shown;
  place.replaceChildren(
    ...alarms.map(([kind, text, reason]) =>
      make("p", `alarm ${kind}`, mark(kind), make("strong", "", text), make("span", "reason", reason)),
    ),
  );
}

// ---------------------------------------------------------------- people

function drawCards(state) {
  const place = at("cards");
  const known = new Map([...place.children].map((card) => [card.dataset.person, card]));
  const many = new Set(state.people.map((person) => person.camera)).size > 1;
  const cards = state.people.map((person) => {
    const card = known.get(person.person) ?? newCard(person.person);
    fillCard(card, person, person.certain && state.link, many);
    return card;
  });
  for (const [key, card] of known) if (!state.people.some((person) => person.person === key)) card.remove();
  cards.forEach((card, index) => {
    if (place.children[index] !== card) place.insertBefore(card, place.children[index] ?? null);
  });
}

function newCard(person) {
  const card = make(
    "article", "card",
    make("div", "top", make("h2", "name"), make("span", "where"), make("span", "since")),
    make(
      "div", "inside",
      make(
        "div", "present",
        make("div", "sign-place"),
        make("div", "told", make("p", "word"), make("p", "sure"), make("div", "bar", make("i"))),
      ),
      make("ul", "all"),
    ),
  );
  card.dataset.person = person;
  return card;
}

function fillCard(card, person, certain, many) {
  const w = words();
  const find = (name) => card.querySelector(`.${name}`);
  card.classList.toggle("stale", !certain);
  card.dataset.emotion = drawnAs(person.emotion);
  card.dataset.since = person.since_ms;
  card.dataset.heard = person.heard_ms;
  find("name").textContent = w.person(person.track);
  find("where").textContent = many ? tail(person.camera) : "";
  find("sign-place").replaceChildren(badge(person.emotion));
  find("word").textContent = emotionWord(person.emotion, person.emotion_ja);
  const unsure = person.emotion === "uncertain";
  find("sure").textContent = unsure ? w.unsure : `${w.probability} ${percent(person.confidence)}`;
  find("bar").hidden = unsure;
  find("bar").firstChild.style.width = percent(person.confidence);
  fillProbabilities(find("all"), person);
}

function fillProbabilities(list, person) {
  list.setAttribute("aria-label", words().allProbabilities);
  const labels = Object.keys(person.probabilities);
  if (list.dataset.labels !== labels.join()) {
    list.dataset.labels = labels.join();
    list.replaceChildren(...labels.map((label) => {
      const item = make("li", "", badge(label), make("span", "label"), make("span", "track", make("i")), make("span", "value"));
      item.dataset.emotion = drawnAs(label);
      return item;
    }));
  }
  labels.forEach((label, index) => {
    const item = list.children[index];
    item.classList.toggle("told-now", label === person.emotion);
    item.querySelector(".label").textContent = emotionWord(label, label);
    item.querySelector(".track").firstChild.style.width = percent(person.probabilities[label]);
    item.querySelector(".value").textContent = percent(person.probabilities[label]);
  });
}

function drawNobody(state) {
  const place = at("nobody");
  place.hidden = state.people.length > 0 || !state.known;
  if (place.hidden) return;
  const w = words();
  const shown = {
    nobody: ["empty", w.nobody, w.nobodyMore],
    waiting: ["paused", w.waiting, w.waitingMore],
    off: ["paused", w.off, w.offMore],
    unknown: ["bad", w.unknown, w.unknownMore],
  };
  place.className = emptiness(state);
  const [sign, title, more] = shown[place.className];
  place.replaceChildren(mark(sign), make("h2", "", title), make("p", "", more));
}

/** Why nobody is shown. Only a camera that works can say that nobody is there. */
function emptiness(state) {
  if (!state.link || !state.broker.connected) return "unknown";
  if (!state.cameras.length && !state.nodes.length) return "waiting";
  if (state.cameras.some((camera) => cameraKind(camera, state) === "good")) return "nobody";
  if (!state.cameras.length && state.nodes.some((node) => node.state === "online")) return "waiting";
  const broken = state.nodes.some((node) => node.state === "lost") ||
    state.cameras.some((camera) => cameraKind(camera, state) === "bad");
  return broken ? "unknown" : "off";
}

// ---------------------------------------------------------------- events

function sentence(event) {
  const w = words();
  if (event.change === "gap") return w.gap(event.lost);
  const word = emotionWord(event.emotion, event.emotion_ja);
  if (event.change === "end" || event.change === "lost") return w[event.change];
  if (event.change === "start" || event.previous === null) return `${word} (${w.start})`;
  return `${emotionWord(event.previous, event.previous)} → ${word}`;
}

function line(event) {
  const gone = event.change === "end" || event.change === "lost";
  const sign = event.change === "gap" ? mark("bad") : gone ? mark("empty") : badge(event.emotion);
  const who = event.track === null ? "" : words().person(event.track);
  const time = make("time", "", clock(event.at_ms));
  return make("li", event.change, time, sign, make("span", "who", who), make("span", "what", sentence(event)));
}

function drawEvents(state) {
  const latest = [...state.events].sort((a, b) => b.at_ms - a.at_ms).slice(0, LISTED);
  const lines = latest.map(line);
  at("events").replaceChildren(...(lines.length ? lines : [make("li", "none", words().noEvents)]));
}

/** Tell screen readers what has changed. */
export function announce(events) {
  const texts = events
    .filter((event) => event.track !== null)
    .map((event) => `${words().person(event.track)}: ${sentence(event)}`);
  if (texts.length) at("announce").textContent = texts.slice(-3).join(". ");
}

// ---------------------------------------------------------------- ages

export function drawAges(state, now) {
  const w = words();
  for (const card of at("cards").children) {
    const stale = card.classList.contains("stale");
    const since = now - Number(stale ? card.dataset.heard : card.dataset.since);
    setText(card.querySelector(".since"), stale ? w.lastKnown(span(since)) : w.since(span(since)));
  }
  const heard = [...state.nodes, ...state.cameras, ...state.people].map((told) => told.heard_ms);
  setText(at("age"), heard.length ? w.lastNews(span(now - Math.max(...heard))) : w.noNews);
}

function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
