// The message box: Enter sends, `/` offers commands, `@` offers people.

import { act } from "./api.js";
import { h } from "./dom.js";
import { store } from "./store.js";
import { toast } from "./toast.js";

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function withMentions(text) {
  const names = new Map([["inquest", store.bot.id], ...[...store.people.values()].map((p) => [p.name, p.id])]);
  return escape(text).replaceAll(/(^|[\s(])@([a-z0-9._-]+)/gi, (all, before, name) => {
    const id = names.get(name.toLowerCase());
    return id ? `${before}<@${id}>` : all;
  });
}

export class Composer {
  constructor({ id, channel, thread = null, placeholder }) {
    Object.assign(this, { id, channel, thread, options: [], at: 0 });
    this.list = h("ul", { class: "suggestions", id: `${id}-list`, role: "listbox", "aria-label": "Suggestions", hidden: true });
    this.box = h("textarea", {
      id, rows: 1, placeholder, "aria-label": placeholder, role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`, dataset: { key: id },
      oninput: () => { this.grow(); this.suggest(); }, onkeydown: (event) => this.key(event), onblur: () => setTimeout(() => this.hide(), 120),
    });
    const button = h("button", { type: "button", class: "button primary send", onclick: () => this.send() }, "Send");
    const help = h("p", { class: "composer-help" }, h("kbd", {}, "/"), " commands  ", h("kbd", {}, "@"), " people  ", h("kbd", {}, "Enter"), " sends  ", h("kbd", {}, "Shift+Enter"), " new line");
    this.node = h("div", { class: "composer" }, this.list, h("div", { class: "composer-box" }, this.box, button), thread ? null : help);
  }

  grow() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight + 2, 180)}px`;
  }

  suggest() {
    const text = this.box.value.slice(0, this.box.selectionStart);
    const command = text.match(/^(\/[a-z_-]*)$/i);
    const person = text.match(/(?:^|\s)@([a-z0-9._-]*)$/i);
    if (command) this.offer(store.commands.filter((c) => c.name.startsWith(command[1])).map((c) => [c.name, c.usage_hint ? `${c.name} ${c.usage_hint}` : c.name, c.description]), command[1]);
    else if (person) {
      const people = [["inquest", "Inquest"], ...[...store.people.values()].map((p) => [p.name, p.real_name])];
      this.offer(people.filter(([name]) => name.startsWith(person[1].toLowerCase())).map(([name, real]) => [`@${name}`, `@${name}`, real]), `@${person[1]}`);
    } else this.hide();
  }

  offer(options, typed) {
    Object.assign(this, { options, typed, at: 0 });
    if (!options.length) { this.hide(); return; }
    this.list.replaceChildren(...options.map(([, label, note], place) => h("li", { id: `${this.id}-option-${place}`, role: "option", "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); this.choose(place); } }, h("strong", {}, label), h("span", { class: "hint" }, note))));
    this.list.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
    this.mark();
  }

  mark() {
    [...this.list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === this.at)));
    this.box.setAttribute("aria-activedescendant", `${this.id}-option-${this.at}`);
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  hide() {
    this.list.hidden = true;
    this.options = [];
    this.box.setAttribute("aria-expanded", "false");
    this.box.removeAttribute("aria-activedescendant");
  }

  choose(place) {
    const end = this.box.selectionStart;
    const start = end - this.typed.length;
    const word = `${this.options[place][0]} `;
    this.box.setRangeText(word, start, end, "end");
    this.hide();
    this.box.focus();
  }

  key(event) {
    const open = this.options.length > 0;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (open && step) {
      event.preventDefault();
      this.at = (this.at + step + this.options.length) % this.options.length;
      this.mark();
    } else if (open && (event.key === "Tab" || (event.key === "Enter" && this.options[this.at][0] !== this.box.value.trim()))) {
      event.preventDefault();
      this.choose(this.at);
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      this.hide();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    }
  }

  async send() {
    const text = this.box.value.trim();
    if (!text) return;
    this.hide();
    const command = text.match(/^(\/[a-z_-]+)(?:\s+([\s\S]*))?$/i);
    if (command && this.thread && store.commands.some((c) => c.name === command[1])) {
      toast(`${command[1]} is not supported in threads. Use it in the channel.`);
      return;
    }
    this.box.value = "";
    this.grow();
    this.spoke?.();
    const place = { user: store.me, channel: this.channel };
    const answer = command && !this.thread
      ? await act("command", { ...place, command: command[1], text: withMentions(command[2] || "") })
      : await act("say", { ...place, text: withMentions(text), thread_ts: this.thread });
    if (answer.ok === false) toast(answer.text || `That did not work: ${answer.error}`);
    else if (answer.error === "unknown_command") toast(answer.text);
    if ((answer.ok === false || answer.error) && !this.box.value) { this.box.value = text; this.grow(); }
  }
}
