// News of alerts: the list is fetched anew, unless somebody is writing a note; then the page says that there is news.

import { follow } from "./stream.js";

const isWriting = () =>
  [...document.querySelectorAll("#alerts textarea")].some((field) => field.value || field === document.activeElement);

async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || isWriting()) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("alerts");
  if (fresh && !isWriting()) document.getElementById("alerts").replaceWith(fresh);
}

follow(
  (kind) => {
    if (kind !== "alert") return;
    if (isWriting()) document.getElementById("news").replaceChildren(document.getElementById("changed").content.cloneNode(true));
    else renew().catch(() => console.info("the list of alerts could not be fetched; it is fetched at the next news"));
  },
  () => {},
);
