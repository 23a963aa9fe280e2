// A list of messages that is redrawn message by message, so that nothing jumps and focus stays.

import { h } from "./dom.js";
import { messageNode, when } from "./message.js";
import { isReply, nameOf, store, visible } from "./store.js";

const day = (ts) => when(ts).toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
const nearEnd = (node) => node.scrollHeight - node.scrollTop - node.clientHeight < 90;

// Puts `fresh` in the place of `old`; the focused element is found again by its key.
export function swap(old, fresh) {
  const active = document.activeElement;
  const key = old.contains(active) ? active.dataset?.key : null;
  const range = key && "selectionStart" in active && active.selectionStart !== null ? [active.selectionStart, active.selectionEnd] : null;
  old.replaceWith(fresh);
  if (!key) return;
  const next = fresh.querySelector(`[data-key="${CSS.escape(key)}"]`);
  next?.focus({ preventScroll: true });
  if (range && next?.setSelectionRange) next.setSelectionRange(...range);
}

export class MessageList {
  constructor({ channel, thread = null, openThread = null, label }) {
    Object.assign(this, { channel, thread, openThread });
    this.items = h("div", { class: "messages", role: "log", "aria-label": label });
    this.status = h("p", { class: "status", "aria-live": "polite" });
    this.node = h("div", { class: "scroller", tabindex: "-1" }, h("div", { class: "messages-end" }, this.items, this.status));
    // Pictures and charts settle later; whoever is at the end stays at the end.
    this.stick = true;
    // A scroll that comes with a new height is the layout's doing (a thread opened beside it), not the reader's.
    this.height = 0;
    this.node.addEventListener("scroll", () => {
      if (this.node.scrollHeight === this.height) this.stick = nearEnd(this.node);
      this.height = this.node.scrollHeight;
    }, { passive: true });
    new ResizeObserver(() => { if (this.stick) this.toEnd(); this.height = this.node.scrollHeight; }).observe(this.items);
    this.drawAll();
  }

  toEnd() { this.node.scrollTop = this.node.scrollHeight; }

  // Whoever says something wants to see what comes of it.
  spoke() {
    this.stick = true;
    this.toEnd();
  }

  make(message) {
    const redraw = () => {
      const node = this.find(message.ts);
      if (node) swap(node, this.make(message));
    };
    return messageNode(message, this.channel, { openThread: this.openThread, redraw });
  }

  find(ts) { return this.items.querySelector(`article[data-ts="${CSS.escape(ts)}"]`); }

  drawAll() {
    this.items.replaceChildren();
    let last = null;
    for (const message of visible(this.channel, this.thread)) {
      const today = day(message.ts);
      if (today !== last && !this.thread) this.items.append(h("p", { class: "day" }, h("span", {}, today)));
      last = today;
      this.items.append(this.make(message));
    }
    if (!this.items.childElementCount) this.items.append(this.hint());
    this.drawStatus();
    this.toEnd();
  }

  hint() {
    const first = store.commands[0];
    if (this.channel.startsWith("D") || !first) return h("p", { class: "empty" }, "Ask Inquest something, in plain words.");
    const example = `${first.name} ${first.usage_hint}`;
    const fill = () => {
      const box = document.getElementById("composer-main");
      box.value = example;
      box.focus();
    };
    return h("div", { class: "empty" }, h("p", {}, "Nothing here yet. Type / for commands, or mention @inquest."),
      h("button", { type: "button", class: "button", onclick: fill }, `Try: ${example}`));
  }

  drawStatus() {
    const found = [...store.statuses].filter(([key]) => key.startsWith(`${this.channel}/`) && (!this.thread || key.endsWith(this.thread)));
    this.status.textContent = found.length ? `Inquest ${found[0][1]}` : "";
  }

  belongs(message) {
    if (message.is_ephemeral) return message.channel === this.channel && message.to === store.me && (message.thread_ts || null) === this.thread;
    return this.thread ? message.ts === this.thread || message.thread_ts === this.thread : !isReply(message);
  }

  // One message is new, changed or gone.
  change(ts, message) {
    const old = this.find(ts);
    if (!message) { old?.remove(); return; }
    if (!this.belongs(message)) return;
    if (old) { swap(old, this.make(message)); return; }
    this.items.querySelector(".empty")?.remove();
    const after = [...this.items.querySelectorAll("article")].find((node) => node.dataset.ts > ts);
    const node = this.make(message);
    if (after) after.before(node); else this.items.append(node);
    node.classList.add("arrived");
    if (this.stick) this.toEnd();
  }
}

export const describe = (message) => `${message.is_ephemeral ? "Only visible to you. " : ""}${nameOf(message.user)}: ${String(message.text || "").slice(0, 200)}`;
