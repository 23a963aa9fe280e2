// The rich_text block, as nodes.

import { h, link } from "./dom.js";
import { date, symbol, words } from "./mrkdwn.js";
import { channelName, nameOf, store } from "./store.js";

function styled(node, style) {
  let made = node;
  if (style?.code) made = h("code", {}, made);
  if (style?.bold) made = h("strong", {}, made);
  if (style?.italic) made = h("em", {}, made);
  if (style?.strike) made = h("s", {}, made);
  return made;
}

const INLINE = {
  text: (e) => words(e.text),
  link: (e) => link(e.url, e.text),
  emoji: (e) => symbol(e.name),
  user: (e) => h("span", { class: e.user_id === store.me ? "mention loud" : "mention" }, `@${nameOf(e.user_id)}`),
  usergroup: (e) => h("span", { class: "mention" }, `@${store.usergroups.find((g) => g.id === e.usergroup_id)?.handle || e.usergroup_id}`),
  channel: (e) => h("a", { class: "mention", href: `#${e.channel_id}` }, `#${channelName(e.channel_id)}`),
  broadcast: (e) => h("span", { class: "mention loud" }, `@${e.range}`),
  date: (e) => h("time", {}, date(e.timestamp, e.format, e.fallback)),
  color: (e) => h("code", {}, e.value),
};

const inlines = (elements) => (elements || []).map((e) => styled(INLINE[e.type] ? INLINE[e.type](e) : "", e.style));

const OUTER = {
  rich_text_section: (e) => h("div", { class: "rich-line" }, inlines(e.elements)),
  rich_text_preformatted: (e) => h("pre", { tabindex: "0" }, h("code", {}, inlines(e.elements))),
  rich_text_quote: (e) => h("blockquote", {}, inlines(e.elements)),
  rich_text_list: (e) => h(e.style === "ordered" ? "ol" : "ul", { class: `indent-${e.indent || 0}`, start: e.offset ? e.offset + 1 : null },
    e.elements.map((item) => h("li", {}, item.type === "rich_text_list" ? OUTER.rich_text_list(item) : inlines(item.elements)))),
};

export const richText = (block) => h("div", { class: "rich", dir: "auto" }, (block.elements || []).map((e) => (OUTER[e.type] ? OUTER[e.type](e) : null)));
