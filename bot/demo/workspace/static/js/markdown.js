// The `markdown` block: ordinary Markdown, as nodes.

import { fragment, h, link } from "./dom.js";
import { symbol, words } from "./mrkdwn.js";

const TOKEN = new RegExp([
  "(?<ticks>`+)(?<code>.+?)\\k<ticks>(?!`)",
  "!?\\[(?<label>[^\\]\\n]*)\\]\\((?<target>[^()\\s]+(?:\\([^()\\s]*\\))?)(?:\\s+\"[^\"]*\")?\\)",
  "(?<strong>\\*\\*|__)(?=\\S)(?<bold>.+?)(?<=\\S)\\k<strong>",
  "~~(?<gone>.+?)~~",
  "(?<![A-Za-z0-9])(?<em>[*_])(?=\\S)(?<slanted>.+?)(?<=\\S)\\k<em>(?![A-Za-z0-9])",
  "<?(?<url>https?://[^\\s<>]*[^\\s<>.,;:!?)'\"\\]])>?",
  ":(?<emoji>[a-z0-9_+-]+):",
  "\\\\(?<escaped>[\\\\`*_{}\\[\\]()#+.!~|>-])",
].join("|"), "g");

export function inline(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > from) nodes.push(words(text.slice(from, match.index)));
    const found = match.groups;
    if (found.code !== undefined) nodes.push(h("code", {}, found.code.trim()));
    else if (found.target !== undefined) nodes.push(link(found.target, found.label));
    else if (found.bold !== undefined) nodes.push(h("strong", {}, inline(found.bold)));
    else if (found.gone !== undefined) nodes.push(h("s", {}, inline(found.gone)));
    else if (found.slanted !== undefined) nodes.push(h("em", {}, inline(found.slanted)));
    else if (found.url !== undefined) nodes.push(link(found.url));
    else if (found.emoji !== undefined) nodes.push(symbol(found.emoji));
    else nodes.push(found.escaped);
    from = match.index + match[0].length;
  }
  nodes.push(words(text.slice(from)));
  return fragment(nodes);
}

const DEEPEST = 8;
const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;
const cells = (row) => row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

function list(rows, at, depth = 0) {
  const first = rows[at].match(ITEM);
  const node = h(/\d/.test(first[2]) ? "ol" : "ul", {});
  let place = at;
  while (place < rows.length) {
    const found = rows[place].match(ITEM);
    if (!found || found[1].length < first[1].length) break;
    if (found[1].length > first[1].length && node.lastChild && depth < DEEPEST) {
      const [nested, next] = list(rows, place, depth + 1);
      node.lastChild.append(nested);
      place = next;
      continue;
    }
    const task = found[3].match(/^\[([ xX])\]\s+(.*)$/);
    node.append(h("li", {}, task ? [task[1] === " " ? "☐ " : "☑ ", inline(task[2])] : inline(found[3])));
    place += 1;
  }
  return [node, place];
}

function table(rows, at) {
  let place = at + 2;
  const body = h("tbody", {});
  while (place < rows.length && rows[place].includes("|")) {
    body.append(h("tr", {}, cells(rows[place]).map((cell) => h("td", {}, inline(cell)))));
    place += 1;
  }
  const head = h("tr", {}, cells(rows[at]).map((cell) => h("th", { scope: "col" }, inline(cell))));
  return [h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "grid" }, h("thead", {}, head), body)), place];
}

function fence(rows, at) {
  const mark = rows[at].match(/^\s*(`{3,}|~{3,})/)[1];
  let end = at + 1;
  while (end < rows.length && !rows[end].trim().startsWith(mark)) end += 1;
  return [h("pre", { tabindex: "0" }, h("code", {}, rows.slice(at + 1, end).join("\n"))), end + 1];
}

function quote(rows, at, depth) {
  let end = at;
  while (end < rows.length && rows[end].startsWith(">")) end += 1;
  const inner = rows.slice(at, end).map((row) => row.replace(/^> ?/, "")).join("\n");
  return [h("blockquote", {}, depth < DEEPEST ? blocksOf(inner, depth + 1) : inline(inner)), end];
}

function starts(rows, at) {
  const row = rows[at];
  if (/^\s*(`{3,}|~{3,})/.test(row)) return fence;
  if (row.startsWith(">")) return quote;
  if (ITEM.test(row)) return list;
  if (row.includes("|") && /^[\s|:-]+$/.test(rows[at + 1] || "") && (rows[at + 1] || "").includes("-")) return table;
  return null;
}

function blocksOf(text, depth = 0) {
  const rows = text.split("\n");
  const nodes = [];
  let at = 0;
  while (at < rows.length) {
    const row = rows[at];
    const heading = row.match(/^(#{1,6})\s+(.*)$/);
    const special = starts(rows, at);
    if (special) {
      const [node, next] = special(rows, at, depth);
      nodes.push(node);
      at = next;
    } else if (!row.trim()) at += 1;
    else if (heading) { nodes.push(h("p", { class: `heading h${heading[1].length}`, role: "heading", "aria-level": Math.min(6, heading[1].length + 2) }, inline(heading[2]))); at += 1; }
    else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(row)) { nodes.push(h("hr", {})); at += 1; }
    else {
      const paragraph = h("p", {}, inline(row));
      at += 1;
      while (at < rows.length && rows[at].trim() && !starts(rows, at) && !/^#{1,6}\s/.test(rows[at])) {
        paragraph.append(h("br", {}), inline(rows[at]));
        at += 1;
      }
      nodes.push(paragraph);
    }
  }
  return nodes;
}

export const markdown = (text) => h("div", { class: "markdown", dir: "auto" }, blocksOf(String(text)));
