// Puts the page together and keeps it in step with the workspace.

import { act, follow, loadState } from "./api.js";
import { Composer } from "./composer.js";
import { announce, byId, h } from "./dom.js";
import { Home } from "./home.js";
import { describe, MessageList } from "./list.js";
import { drawModal } from "./modal.js";
import { drawBotState, drawPeople, drawSidebar } from "./sidebar.js";
import { mine, myDm, remember, remembered, store, take } from "./store.js";
import { toast } from "./toast.js";

let list = null;
let thread = null;
let home = null;
let source = null;

const redrawSide = () => drawSidebar(go);

function go(id) {
  const channel = store.channels.get(id);
  if (!channel || !mine(channel)) return;
  const moved = store.place !== id;
  store.place = id;
  store.unread.delete(id);
  if (moved && id === myDm()) store.tab = remembered(`tab-${id}`, "home");
  if (moved) closeThread();
  history.replaceState(null, "", `/#${id}`);
  redrawSide();
  drawMain();
  if (moved && id === myDm()) act("home", { user: store.me, tab: store.tab });
}

function tab(name) {
  store.tab = name;
  remember(`tab-${store.place}`, name);
  act("home", { user: store.me, tab: name });
  drawMain();
  byId(`tab-${name}`).focus();
}

function tabs() {
  const one = (name, words) => h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(store.tab === name), "aria-controls": `panel-${name}`, tabindex: store.tab === name ? "0" : "-1", onclick: () => tab(name), onkeydown: (event) => { if (event.key.startsWith("Arrow")) tab(store.tab === "home" ? "messages" : "home"); } }, words);
  return h("div", { class: "tabs", role: "tablist" }, one("home", "Home"), one("messages", "Messages"));
}

function prompts(channel) {
  const found = store.prompts.get(channel);
  if (!found) return null;
  return h("div", { class: "prompts" }, found.prompts.map((prompt) => h("button", { type: "button", class: "button", onclick: () => act("say", { user: store.me, channel, text: prompt.message }) }, prompt.title)));
}

function drawMain() {
  const channel = store.channels.get(store.place);
  const app = channel.is_im;
  const title = app ? "Inquest" : `# ${channel.name}`;
  const people = channel.members.filter((id) => store.people.has(id)).length;
  const head = h("header", { class: "head" }, h("h2", {}, title), h("p", { class: "topic" }, app ? "App · finds out what went wrong" : `${people} people · ${channel.topic}`), app ? tabs() : null);
  home = null;
  if (app && store.tab === "home") {
    list = null;
    home = new Home();
    byId("main").replaceChildren(head, home.node);
    return;
  }
  list = new MessageList({ channel: channel.id, openThread, label: `Messages in ${title}` });
  const composer = new Composer({ id: "composer-main", channel: channel.id, placeholder: app ? "Message Inquest" : `Message #${channel.name}` });
  composer.spoke = () => list?.spoke();
  const panel = h("div", { class: "panel", id: "panel-messages", role: app ? "tabpanel" : null }, list.node, app ? prompts(channel.id) : null, composer.node);
  byId("main").replaceChildren(head, panel);
  list.toEnd();
}

function openThread(ts) {
  store.thread = ts;
  const node = byId("thread");
  thread = new MessageList({ channel: store.place, thread: ts, label: "Thread" });
  const composer = new Composer({ id: "composer-thread", channel: store.place, thread: ts, placeholder: "Reply…" });
  composer.spoke = () => thread?.spoke();
  node.replaceChildren(h("header", { class: "head" }, h("h2", {}, "Thread"), h("button", { type: "button", class: "close", "aria-label": "Close thread", onclick: closeThread }, "×")), thread.node, composer.node);
  node.hidden = false;
  byId("app").classList.add("with-thread");
  thread.toEnd();
  composer.box.focus({ preventScroll: true });
}

function closeThread() {
  const back = store.thread && document.querySelector(`[data-key="replies-${store.thread}"]`);
  store.thread = thread = null;
  byId("thread").hidden = true;
  byId("thread").replaceChildren();
  byId("app").classList.remove("with-thread");
  back?.focus();
}

function become(id) {
  store.me = id;
  byId("toasts").replaceChildren();
  localStorage.setItem("simulation-user", id);
  drawPeople(become);
  const here = store.channels.get(store.place);
  const target = here && !here.is_im && mine(here) ? here.id : here?.is_im ? myDm() : [...store.channels.values()].find((c) => !c.is_im && mine(c))?.id || myDm();
  closeThread();
  store.place = null;
  go(target);
  drawModal();
  announce(`You are now ${store.people.get(id).real_name}`);
}

function onMessage({ channel, ts, message }) {
  const known = store.messages.get(channel);
  if (!known) return;
  const fresh = !known.has(ts);
  if (message) known.set(ts, message); else known.delete(ts);
  if (channel === store.place) {
    list?.change(ts, message);
    thread?.change(ts, message);
    if (message && fresh && message.user !== store.me) announce(describe(message));
  } else if (message && fresh && message.user !== store.me && mine(store.channels.get(channel)) && !message.hidden) {
    store.unread.set(channel, (store.unread.get(channel) || 0) + 1);
    redrawSide();
  }
}

function onEphemeral({ ts, message }) {
  const old = store.ephemerals.get(ts);
  if (message) store.ephemerals.set(ts, message); else store.ephemerals.delete(ts);
  const channel = (message || old)?.channel;
  if (channel !== store.place || (message && message.to !== store.me)) return;
  list?.change(ts, message);
  thread?.change(ts, message);
  if (message) announce(describe(message));
}

const HANDLERS = {
  message: onMessage,
  ephemeral: onEphemeral,
  modals: ({ user, views }) => { store.modals[user] = views; if (user === store.me) drawModal(); },
  home: ({ user, view }) => { store.homes[user] = view; if (user === store.me) home?.draw(); },
  toast: ({ user, text }) => { if (user === store.me) toast(text); },
  status: ({ channel, thread_ts: ts, status }) => {
    if (status) store.statuses.set(`${channel}/${ts}`, status); else store.statuses.delete(`${channel}/${ts}`);
    list?.drawStatus();
    thread?.drawStatus();
  },
  prompts: (body) => { store.prompts.set(body.channel, body); if (body.channel === store.place && !home) drawMain(); },
  bot: ({ connections, request_url: url }) => { Object.assign(store, { connections, requestUrl: url }); drawBotState(true); },
  channel: () => reload(),
  people: () => reload(),
};

async function reload() {
  const state = await loadState();
  take(state);
  drawPeople(become);
  redrawSide();
  if (store.place) drawMain();
  if (store.thread) openThread(store.thread);
  drawModal();
  drawBotState(true);
  return state.seq;
}

// A permalink is /archives/CHANNEL/pTS; the page's own address is /#CHANNEL.
function wanted() {
  const link = location.pathname.match(/^\/archives\/([A-Z0-9]+)\/p(\d+)(\d{6})$/);
  if (link) return { place: link[1], ts: `${link[2]}.${link[3]}`, thread: new URLSearchParams(location.search).get("thread_ts") };
  return { place: location.hash.slice(1), ts: null, thread: null };
}

async function main() {
  const seq = take(await loadState()) ?? 0;
  byId("team").textContent = store.team.name;
  document.title = `${store.team.name} – no real Slack`;
  const saved = localStorage.getItem("simulation-user");
  store.me = store.people.has(saved) ? saved : [...store.people.keys()][0];
  const target = wanted();
  store.place = store.channels.has(target.place) ? target.place : null;
  become(store.me);
  if (target.thread) openThread(target.thread);
  if (target.ts) document.getElementById(`m-${store.place}-${target.ts}`)?.scrollIntoView({ block: "center" });
  source = follow(seq, (change) => HANDLERS[change.kind]?.(change), reload, drawBotState);
  addEventListener("hashchange", () => go(location.hash.slice(1)));
  addEventListener("keydown", (event) => { if (event.key === "Escape" && store.thread && !document.querySelector("dialog[open], [popover]:popover-open")) closeThread(); });
  addEventListener("pagehide", () => source.close());
}

main();
