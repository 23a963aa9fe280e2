// Slack's mrkdwn, as nodes. `&lt;`, `&gt;` and `&amp;` are the only entities; `<…>` is the only live syntax.

import { fragment, h, link } from "./dom.js";
import { emoji } from "./emoji.js";
import { drawn, PICTURES } from "./icons.js";
import { channelName, nameOf, store } from "./store.js";

const TOKEN = new RegExp([
  "`(?<code>[^`\\n]+)`",
  "<(?<angle>[^<>\\n]+)>",
  "(?<![A-Za-z0-9])(?<mark>[*_~])(?=\\S)(?<styled>(?:(?!\\k<mark>)[^\\n])*?\\S)\\k<mark>(?![A-Za-z0-9])",
  ":(?<emoji>[a-z0-9_+-]+):",
  "(?<url>https?://[^\\s<>|]*[^\\s<>|.,;:!?)'\"\\]])",
].join("|"), "g");
const TAGS = { "*": "strong", _: "em", "~": "s" };

export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function special(body, label) {
  const [kind, ...rest] = body.split("^");
  if (kind === "subteam") {
    const group = store.usergroups.find((entry) => entry.id === rest[0]);
    return h("span", { class: "mention" }, label || `@${group ? group.handle : rest[0]}`);
  }
  if (kind === "date") return h("time", {}, date(Number(rest[0]), rest[1] || "", label));
  return h("span", { class: "mention loud" }, `@${kind}`);
}

export function date(seconds, format, fallback) {
  const when = new Date(seconds * 1000);
  if (Number.isNaN(when.getTime())) return fallback || "";
  const day = when.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
  const time = when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const exact = when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return format
    .replaceAll(/\{date(_short|_long)?(_pretty)?\}/g, day)
    .replaceAll("{date_num}", when.toISOString().slice(0, 10))
    .replaceAll("{time_secs}", exact)
    .replaceAll("{time}", time)
    .replaceAll("{ago}", day);
}

function angle(body) {
  const bar = body.indexOf("|");
  const target = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? "" : unescape(body.slice(bar + 1));
  if (target.startsWith("@")) {
    const id = target.slice(1);
    return h("span", { class: id === store.me ? "mention loud" : "mention" }, `@${nameOf(id)}`);
  }
  if (target.startsWith("#")) return h("a", { class: "mention", href: `#${target.slice(1)}` }, `#${label || channelName(target.slice(1))}`);
  if (target.startsWith("!")) return special(target.slice(1), label);
  return link(unescape(target), label);
}

export function inline(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > from) nodes.push(words(unescape(text.slice(from, match.index))));
    const found = match.groups;
    if (found.code !== undefined) nodes.push(h("code", {}, unescape(found.code)));
    else if (found.angle !== undefined) nodes.push(angle(found.angle));
    else if (found.mark !== undefined) nodes.push(h(TAGS[found.mark], {}, inline(found.styled)));
    else if (found.url !== undefined) nodes.push(link(unescape(found.url)));
    else nodes.push(symbol(found.emoji));
    from = match.index + match[0].length;
  }
  nodes.push(words(unescape(text.slice(from))));
  return fragment(nodes);
}

const picture = (character, label) => h("span", { class: "emoji", role: "img", "aria-label": label }, drawn(character.replace("\uFE0F", "")) || character);

export function symbol(name) {
  const found = emoji(name);
  return found ? picture(found, name.replaceAll("_", " ")) : `:${name}:`;
}

// Text whose pictures are drawn by the page. A lone character of text stays text for those who copy it.
export function words(text) {
  if (!PICTURES.test(text)) return text;
  return text.split(new RegExp(PICTURES.source, "u")).map((part, place) => (place % 2 ? picture(part, part) : part));
}

function lines(text) {
  const nodes = [];
  let quote = null;
  const rows = text.split("\n");
  rows.forEach((row, place) => {
    const quoted = row.match(/^(?:&gt;|>) ?(.*)$/);
    if (quoted) {
      if (!quote) nodes.push((quote = h("blockquote", {})));
      else quote.append(h("br", {}));
      quote.append(inline(quoted[1]));
      return;
    }
    const afterQuote = quote !== null;
    quote = null;
    if (place > 0 && !afterQuote) nodes.push(h("br", {}));
    nodes.push(inline(row));
  });
  return nodes;
}

export function mrkdwn(text) {
  const parts = String(text).split(/```\n?/);
  if (parts.length % 2 === 0) {
    const open = parts.pop();
    parts[parts.length - 1] += "```" + open;
  }
  const nodes = parts.map((part, place) =>
    place % 2 ? h("pre", { tabindex: "0" }, h("code", {}, unescape(part.replace(/\n$/, "")))) : lines(trimmed(part, place, parts.length)));
  return h("div", { class: "mrkdwn", dir: "auto" }, nodes);
}

const trimmed = (part, place, count) => {
  let text = part;
  if (place > 0) text = text.replace(/^\n/, "");
  if (place < count - 1) text = text.replace(/\n$/, "");
  return text;
};

export const plain = (text) => h("span", { dir: "auto" }, String(text).split(/(:[a-z0-9_+-]+:)/).map((part) => {
  const name = part.match(/^:([a-z0-9_+-]+):$/);
  return name ? symbol(name[1]) : words(part);
}));

export const textObject = (body) => (body.type === "mrkdwn" ? mrkdwn(body.text) : plain(body.text));
