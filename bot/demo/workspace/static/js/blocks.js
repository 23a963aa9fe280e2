// Block Kit, as nodes.

import { h } from "./dom.js";
import { visualization } from "./chart.js";
import { element, fileUrl } from "./elements.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { mrkdwn, plain, textObject } from "./mrkdwn.js";
import { dataTable, plan, simpleTable, taskCard } from "./native.js";
import { richText } from "./rich.js";

function section(block, context) {
  const fields = (block.fields || []).map((field) => h("div", { class: "field" }, textObject(field)));
  return h("div", { class: "section" },
    h("div", { class: "section-text" }, block.text ? textObject(block.text) : null, fields.length ? h("div", { class: "fields" }, fields) : null),
    block.accessory ? h("div", { class: "accessory" }, element(block.accessory, block.block_id, context)) : null);
}

function image(block) {
  return h("figure", { class: "picture" }, block.title ? h("figcaption", {}, plain(block.title.text)) : null,
    h("img", { src: block.image_url || fileUrl(block.slack_file), alt: block.alt_text, loading: "lazy" }));
}

function input(block, context) {
  const id = `input-${context.key}-${block.block_id}`;
  const inner = element(block.element, block.block_id, { ...context, inputId: id, describedBy: `${id}-note`, dispatch: block.dispatch_action });
  const problem = context.errors?.[block.block_id];
  const note = h("div", { id: `${id}-note` }, problem ? h("p", { class: "problem", role: "alert" }, icon("warning"), " ", problem) : null,
    block.hint ? h("p", { class: "hint" }, plain(block.hint.text)) : null);
  return h("div", { class: "input" }, h("label", { for: id }, plain(block.label.text), block.optional ? h("span", { class: "hint" }, " (optional)") : null), inner, note);
}

const MADE = {
  section,
  header: (b) => h("p", { class: "header", role: "heading", "aria-level": "3" }, plain(b.text.text)),
  divider: () => h("hr", {}),
  context: (b, c) => h("div", { class: "context" }, b.elements.map((e) => (e.type === "image" ? element(e, b.block_id, c) : textObject(e)))),
  actions: (b, c) => h("div", { class: "actions" }, b.elements.map((e) => element(e, b.block_id, c))),
  context_actions: (b, c) => h("div", { class: "actions quiet" }, b.elements.map((e) => element(e, b.block_id, c))),
  image,
  input,
  rich_text: richText,
  markdown: (b) => markdown(b.text),
  plan: (b, c) => plan(b, `${c.key}/${b.block_id}`),
  task_card: (b, c) => taskCard(b, `${c.key}/${b.block_id}`),
  data_visualization: visualization,
  data_table: (b, c) => dataTable(b, `${c.key}/${b.block_id}`, c.redraw),
  table: simpleTable,
  alert: (b) => h("div", { class: `alert alert-${b.level || "default"}`, role: "note" }, h("strong", {}, `${b.level || "note"}: `), textObject(b.text)),
};

export function blocks(list, context) {
  return list.map((block) => {
    try {
      return h("div", { class: "block" }, MADE[block.type] ? MADE[block.type](block, context) : h("p", { class: "hint" }, `This page cannot draw a “${block.type}” block.`));
    } catch (error) {
      console.error(block, error);
      return h("p", { class: "hint" }, `This page could not draw a “${block.type}” block.`);
    }
  });
}

export const textOnly = (message) => mrkdwn(message.text || "");
