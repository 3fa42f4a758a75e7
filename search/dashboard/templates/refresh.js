"use strict";
// Keeps the parts of the page up to date that are marked with data-live, and leaves a reader's place as it is: what
// has not changed is not touched, nor is a part while something in it is selected; what was open stays open, and
// the focus stays where it was.
const SECONDS = 5;
const before = new Map();
for (const part of document.querySelectorAll("[data-live]")) before.set(part.id, part.innerHTML);

function isSelected(part) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}

function replace(part, fresh) {
  const text = fresh.innerHTML;
  if (text === before.get(part.id) || isSelected(part)) return;
  before.set(part.id, text);
  const focus = part.contains(document.activeElement) ? document.activeElement : null;
  const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
  const place = part.getBoundingClientRect(), top = scrollY;
  const scrolled = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  part.replaceChildren(...document.importNode(fresh, true).childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll(".scroll").forEach((one, number) => { one.scrollLeft = scrolled[number] ?? 0; });
  if (place.bottom < 0) scrollTo(scrollX, top + part.getBoundingClientRect().height - place.height);
  if (!focus) return;
  const same = [...part.querySelectorAll(focus.tagName)].find((one) => focus.id ? one.id === focus.id
    : focus.href ? one.href === focus.href : one.textContent === focus.textContent);
  same?.focus({ preventScroll: true });
}

async function refresh() {
  if (document.hidden) return;
  const stale = document.getElementById("stale");
  let trouble = "";
  try {
    const answer = await fetch(location.pathname + location.search);
    const text = await answer.text();
    const fresh = new DOMParser().parseFromString(answer.ok ? text : "", "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (other) replace(part, other);
    }
    if (!answer.ok) trouble = `Not up to date: ${text.trim()}.`;
  } catch (error) {
    trouble = "Not up to date: the server does not answer.";
  }
  if (stale.textContent !== trouble) stale.textContent = trouble;
}

async function again() {
  await refresh();
  setTimeout(again, SECONDS * 1000);
}
setTimeout(again, SECONDS * 1000);
document.addEventListener("visibilitychange", refresh);
