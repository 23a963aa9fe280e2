// One message: author, time, content, replies, and its menu.

import { act } from "./api.js";
import { blocks, textOnly } from "./blocks.js";
import { h, hidden } from "./dom.js";
import { icon } from "./icons.js";
import { symbol } from "./mrkdwn.js";
import { nameOf, store } from "./store.js";
import { toast } from "./toast.js";

const isBot = (m) => m.bot_id === store.bot.bot_id;
export const when = (ts) => new Date(Number(ts) * 1000);
const clock = (ts) => when(ts).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

export function avatar(id, bot) {
  const name = bot ? "Inquest" : nameOf(id);
  return h("span", { class: `avatar tint-${bot ? "bot" : [...store.people.keys()].indexOf(id) % 5}`, "aria-hidden": "true" }, bot ? icon("search") : name.slice(0, 1).toUpperCase());
}

export async function send(body) {
  const answer = await act("click", body);
  if (answer.ok === false) toast(answer.text || `That did not work: ${answer.error}`);
}

function contextOf(message, channel, redraw, where) {
  return {
    key: `${where}${channel}-${message.ts.replace(".", "-")}`,
    redraw,
    send: (element, blockId, value) => send({ user: store.me, channel, ts: message.ts, action_id: element.action_id, block_id: blockId, value }),
  };
}

function files(message) {
  return (message.files || []).map((file) => (file.mimetype.startsWith("image/")
    ? h("figure", { class: "picture" }, h("figcaption", {}, file.title), h("img", { src: `/files/${file.id}/${encodeURIComponent(file.name)}`, alt: file.alt_txt || file.title, loading: "lazy" }))
    : h("a", { class: "file", href: `/files/${file.id}/${encodeURIComponent(file.name)}`, download: file.name }, icon("page"), ` ${file.title} (${file.size} bytes)`)));
}

function attachments(message, context) {
  return (message.attachments || []).map((item) => h("div", { class: "attachment" },
    item.blocks ? blocks(item.blocks, context) : [item.title ? h("strong", {}, item.title) : null, textOnly({ text: item.text || item.fallback || "" })]));
}

function reactions(message, channel) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((r) => h("button", { type: "button", class: `reaction${r.users.includes(store.me) ? " mine" : ""}`, "aria-label": `${r.name}, ${r.count}`, onclick: () => act("react", { user: store.me, channel, ts: message.ts, name: r.name }) }, symbol(r.name), ` ${r.count}`)));
}

function replies(message, openThread) {
  if (!message.reply_count) return null;
  const count = message.reply_count;
  return h("button", { type: "button", class: "replies", dataset: { key: `replies-${message.ts}` }, onclick: () => openThread(message.ts) },
    h("span", { class: "faces", "aria-hidden": "true" }, (message.reply_users || []).slice(0, 3).map((u) => avatar(u, u === store.bot.id))),
    `${count} ${count === 1 ? "reply" : "replies"}`, h("span", { class: "hint" }, ` last ${clock(message.latest_reply)}`));
}

function menu(message, channel, openThread, where) {
  const id = `menu-${where}${channel}-${message.ts.replace(".", "-")}`;
  const close = () => document.getElementById(id).hidePopover();
  const shortcut = (entry) => async () => {
    close();
    const answer = await act("shortcut", { user: store.me, channel, ts: message.ts, callback_id: entry.callback_id });
    if (answer.ok === false) toast(answer.text || answer.error);
  };
  const copy = () => { close(); navigator.clipboard?.writeText(`${location.origin}/archives/${channel}/p${message.ts.replace(".", "")}`); };
  return h("div", { class: "tools", role: "toolbar", "aria-label": "Message" },
    openThread ? h("button", { type: "button", class: "tool", "aria-label": "Reply in thread", title: "Reply in thread", onclick: () => openThread(message.thread_ts || message.ts) }, icon("reply")) : null,
    h("button", { type: "button", class: "tool", "aria-label": "React with eyes", title: "React", onclick: () => act("react", { user: store.me, channel, ts: message.ts, name: "eyes" }) }, icon("eye")),
    h("button", { type: "button", class: "tool", "aria-label": "More", title: "More", "aria-haspopup": "menu", popovertarget: id, onclick: (event) => place(event, id) }, "⋯"),
    h("div", { id, class: "menu", popover: "auto", role: "menu" },
      store.shortcuts.map((entry) => h("button", { type: "button", role: "menuitem", onclick: shortcut(entry) }, entry.name, h("span", { class: "hint" }, " Inquest"))),
      h("button", { type: "button", role: "menuitem", onclick: copy }, "Copy link")));
}

function place(event, id) {
  const box = event.currentTarget.getBoundingClientRect();
  const node = document.getElementById(id);
  node.style.top = `${Math.min(box.bottom + 4, innerHeight - 110)}px`;
  node.style.left = `${Math.max(8, Math.min(box.right - 220, innerWidth - 232))}px`;
}

export function messageNode(message, channel, { openThread, redraw }) {
  const where = openThread ? "" : "thread-";
  const bot = isBot(message);
  const context = contextOf(message, channel, redraw, where);
  const body = message.blocks?.length ? blocks(message.blocks, context) : textOnly(message);
  const who = message.subtype === "tombstone" ? "Deleted" : message.username || nameOf(message.user);
  return h("article", { class: `message${message.is_ephemeral ? " ephemeral" : ""}`, id: `${where}m-${channel}-${message.ts}`, dataset: { ts: message.ts }, "aria-label": `${who}, ${clock(message.ts)}` },
    message.is_ephemeral ? h("p", { class: "only-you" }, icon("eye"), " Only visible to you ", h("button", { type: "button", class: "plain", onclick: () => act("dismiss", { ts: message.ts }) }, "Dismiss")) : null,
    avatar(message.user, bot),
    h("div", { class: "content" },
      h("div", { class: "byline" }, h("strong", { class: "author" }, who), bot ? h("span", { class: "app-badge" }, "APP") : null,
        h("time", { datetime: when(message.ts).toISOString(), title: when(message.ts).toLocaleString() }, clock(message.ts)),
        message.edited && !bot ? h("span", { class: "hint" }, "(edited)") : null, message.is_streaming ? h("span", { class: "hint" }, "writing…") : null),
      h("div", { class: message.subtype === "tombstone" ? "body gone" : "body" }, body, attachments(message, context), files(message)),
      reactions(message, channel), openThread ? replies(message, openThread) : null),
    message.is_ephemeral || message.subtype === "tombstone" ? null : menu(message, channel, openThread, where), hidden("."));
}
