// Plans, task cards and tables.

import { h, hidden, link } from "./dom.js";
import { icon } from "./icons.js";
import { richText } from "./rich.js";
import { plain } from "./mrkdwn.js";
import { remember, remembered } from "./store.js";

const STATES = {
  pending: ["ring", "not started"], in_progress: ["spinner", "running"], complete: ["tick", "done"], error: ["bang", "failed"],
};

function badge(status) {
  const [sign, words] = STATES[status] || STATES.pending;
  return h("span", { class: `state state-${status || "pending"}` }, icon(sign, sign === "spinner" ? "spinner" : ""), hidden(`${words}: `));
}

export function taskCard(task, key) {
  const inside = [
    task.details ? richText(task.details) : null,
    task.output ? h("div", { class: "task-output" }, richText(task.output)) : null,
  ];
  const sources = (task.sources || []).map((source) => h("li", {}, link(source.url, source.text)));
  const title = [badge(task.status), h("span", { class: "task-title" }, plain(task.title)),
    sources.length ? h("ul", { class: "sources", "aria-label": "Sources" }, sources) : null];
  if (!inside.some(Boolean)) return h("div", { class: "task" }, h("div", { class: "task-row" }, title));
  const id = `${key}/${task.task_id}`;
  const open = remembered(id, true);
  return h("details", { class: "task", open, ontoggle: (event) => remember(id, event.target.open) },
    h("summary", { class: "task-row" }, title), h("div", { class: "task-body" }, inside));
}

export function plan(block, key) {
  const tasks = block.tasks || [];
  const over = tasks.filter((task) => task.status === "complete" || task.status === "error").length;
  const failed = tasks.filter((task) => task.status === "error").length;
  const words = tasks.length ? `${over} of ${tasks.length}${failed ? `, ${failed} failed` : ""}` : "";
  const id = `${key}/plan`;
  return h("details", { class: "plan", open: remembered(id, true), ontoggle: (event) => { if (event.target.classList.contains("plan")) remember(id, event.target.open); } },
    h("summary", { class: "plan-title" }, h("strong", {}, plain(block.title)), h("span", { class: "plan-count" }, words),
      h("progress", { max: Math.max(1, tasks.length), value: over, "aria-hidden": "true" })),
    tasks.map((task) => taskCard(task, key)));
}

function cell(value) {
  if (value.type === "rich_text") return richText(value);
  if (value.type === "raw_number") return value.text ?? String(value.value);
  return plain(value.text);
}

const number = (value) => value?.type === "raw_number";

export function dataTable(block, key, redraw) {
  const [head, ...all] = block.rows;
  const state = remembered(`${key}/table`, { page: 0, by: null, down: false });
  const size = block.page_size || 5;
  const rows = state.by === null ? all : [...all].sort((a, b) => order(a[state.by], b[state.by]) * (state.down ? -1 : 1));
  const pages = Math.max(1, Math.ceil(rows.length / size));
  state.page = Math.min(state.page, pages - 1);
  const shown = rows.slice(state.page * size, (state.page + 1) * size);
  const header = block.row_header_column_index ?? 0;
  const turn = (step) => () => { state.page += step; redraw(); };
  const sort = (column) => () => { state.down = state.by === column ? !state.down : false; state.by = column; redraw(); };
  const heads = head.map((value, column) => h("th", { scope: "col", class: number(all[0]?.[column]) ? "number" : null, "aria-sort": state.by === column ? (state.down ? "descending" : "ascending") : "none" },
    h("button", { type: "button", class: "sort", dataset: { key: `${key}/sort${column}` }, onclick: sort(column) }, cell(value), h("span", { class: "arrow", "aria-hidden": "true" }, state.by === column ? (state.down ? "▾" : "▴") : ""))));
  const body = shown.map((row) => h("tr", {}, row.map((value, column) => h(column === header ? "th" : "td", { scope: column === header ? "row" : null, class: number(value) ? "number" : null }, cell(value)))));
  const foot = pages < 2 ? null : h("div", { class: "pager" },
    h("button", { type: "button", class: "button small", disabled: state.page === 0, dataset: { key: `${key}/prev` }, onclick: turn(-1) }, "‹ Previous"),
    h("span", {}, `${state.page * size + 1}–${Math.min(rows.length, (state.page + 1) * size)} of ${rows.length}`),
    h("button", { type: "button", class: "button small", disabled: state.page >= pages - 1, dataset: { key: `${key}/next` }, onclick: turn(1) }, "Next ›"));
  return h("div", { class: "data-table" }, h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "grid" }, h("caption", { dir: "auto" }, block.caption),
    h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body))), foot);
}

function order(a, b) {
  if (number(a) && number(b)) return a.value - b.value;
  const text = (value) => value.text ?? String(value.value ?? "");
  return text(a).localeCompare(text(b), undefined, { numeric: true });
}

export function simpleTable(block) {
  const align = (column) => block.column_settings?.[column]?.align || null;
  return h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "grid" }, h("tbody", {}, block.rows.map((row, line) => h("tr", {},
    row.map((value, column) => h(line ? "td" : "th", { class: [number(value) ? "number" : "", align(column) || ""].join(" ").trim() || null }, cell(value))))))));
}
