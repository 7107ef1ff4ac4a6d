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
