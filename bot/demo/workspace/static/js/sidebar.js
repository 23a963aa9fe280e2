// Channels, the app, and who I am.

import { byId, h, hidden } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./message.js";
import { mine, myDm, store } from "./store.js";

function entry(id, sign, name, go) {
  const unread = store.unread.get(id) || 0;
  return h("li", {}, h("button", { type: "button", class: `place${unread ? " unread" : ""}`, "aria-current": store.place === id ? "page" : null, dataset: { key: `place-${id}`, place: id }, onclick: () => go(id) },
    h("span", { class: "sign", "aria-hidden": "true" }, sign), h("span", { class: "name" }, name), unread ? h("span", { class: "count" }, hidden("new messages: "), String(unread)) : null));
}

export function drawSidebar(go) {
  const rooms = [...store.channels.values()].filter((channel) => !channel.is_im && mine(channel));
  const focused = document.activeElement?.dataset?.key;
  byId("sidebar").replaceChildren(
    h("h2", {}, "Channels"), h("ul", {}, rooms.map((channel) => entry(channel.id, channel.is_private ? icon("lock") : "#", channel.name, go))),
    h("h2", {}, "Apps"), h("ul", {}, entry(myDm(), icon("search"), "Inquest", go)));
  if (focused?.startsWith("place-")) byId("sidebar").querySelector(`[data-key="${focused}"]`)?.focus();
}

const ROLE = (person) => (person.is_restricted ? "guest" : person.is_admin ? "admin" : person.profile.title);

export function drawPeople(become) {
  const all = [...store.people.values()];
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = all[(all.findIndex((p) => p.id === store.me) + step + all.length) % all.length];
    become(next.id);
    byId("people").querySelector('[aria-checked="true"]').focus();
  };
  byId("people").replaceChildren(...all.map((person) => h("button", { type: "button", role: "radio", class: "person", "aria-checked": String(person.id === store.me), tabindex: person.id === store.me ? "0" : "-1", dataset: { user: person.name }, onclick: () => become(person.id), onkeydown: move },
    avatar(person.id), h("span", { class: "person-text" }, h("span", { class: "person-name" }, person.real_name), h("span", { class: "person-title" }, ROLE(person))),
    person.id === store.me ? h("span", { class: "tick", "aria-hidden": "true" }, "✓") : null)));
}

export function drawBotState(online) {
  const node = byId("bot-state");
  const there = store.connections > 0 || store.requestUrl;
  node.className = `bot-state ${online && there ? "good" : "bad"}`;
  node.textContent = !online ? "✕ The simulation stopped answering; trying again…" : there ? "● Inquest is connected" : "○ Inquest is not connected: commands and buttons will fail";
}
