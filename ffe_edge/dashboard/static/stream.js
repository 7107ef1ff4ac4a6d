// News of the server: one EventSource, opened again by itself; silence is told as a lost link.

const SILENCE_MS = 12_000; // the server beats every 5 s
const AGAIN_MS = 3000;

/** Calls `receive(kind, message)` for all news, and `lost(true | false)` when the link goes or comes. */
export function follow(receive, lost) {
  let heard = performance.now();
  let isLost = false;
  const tell = (now) => {
    if (now !== isLost) lost((isLost = now));
  };
  const open = () => {
    const source = new EventSource("/api/v1/stream");
    for (const kind of ["snapshot", "update", "alert", "beat"]) {
      source.addEventListener(kind, (event) => {
        heard = performance.now();
        tell(false);
        if (kind !== "beat") receive(kind, JSON.parse(event.data));
      });
    }
    source.addEventListener("signed-out", () => location.assign(`/login?next=${encodeURIComponent(location.pathname)}`));
    source.addEventListener("error", () => {
      tell(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  open();
  setInterval(() => tell(isLost || performance.now() - heard > SILENCE_MS), 1000);
}

const KEYS = { nodes: "name", cameras: "name", people: "person" };

/** Takes a snapshot, or what an update says to be new, other or gone, into `state`. */
export function take(state, kind, message) {
  if (kind === "snapshot") return Object.assign(state, message);
  const lists = {};
  for (const [list, key] of Object.entries(KEYS)) {
    const all = new Map(state[list].map((each) => [each[key], each]));
    for (const name of message.gone[list]) all.delete(name);
    for (const each of message[list]) all.set(each[key], each);
    lists[list] = [...all.values()].sort(inOrder);
  }
  return Object.assign(state, message, lists);
}

const place = (each) => each.camera ?? each.name;
const inOrder = (a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : (a.track ?? 0) - (b.track ?? 0));

/** `make("p", "soft", "text")`: an element; what is put in is text or elements, never markup. */
export function make(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

/** Fills the figures into a pattern of words.toml. */
export function say(pattern, figures = {}) {
  return pattern.replace(/\{(\w+)\}/g, (_, name) => String(figures[name] ?? ""));
}
