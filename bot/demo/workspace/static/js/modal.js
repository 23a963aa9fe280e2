// Modals: the topmost view of my stack, in a real dialog with a real focus trap.

import { act } from "./api.js";
import { blocks } from "./blocks.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { plain } from "./mrkdwn.js";
import { store } from "./store.js";
import { send } from "./message.js";

let dialog = null;
let shown = null;
let opener = null;

class Form {
  constructor() { this.values = {}; }
  set(blockId, actionId, state) { (this.values[blockId] ||= {})[actionId] = state; }
}

export function drawModal() {
  const stack = store.modals[store.me] || [];
  const view = stack[stack.length - 1];
  if (!view) { close(); return; }
  if (shown && shown.view.hash === view.hash) return;
  open(view, stack.length, shown?.view.id === view.id ? shown.form : new Form(), {});
}

function close() {
  if (!dialog) return;
  dialog.close();
  dialog.remove();
  dialog = shown = null;
  if (opener?.isConnected) opener.focus();
}

function open(view, depth, form, errors) {
  if (!dialog) {
    opener = document.activeElement;
    dialog = h("dialog", { class: "modal", oncancel: (event) => { event.preventDefault(); dismiss(false); } });
    document.body.append(dialog);
  }
  shown = { view, form };
  const context = {
    key: view.id, form, errors, redraw: () => open(view, depth, form, errors),
    send: (element, blockId, value) => send({ user: store.me, view_id: view.id, action_id: element.action_id, block_id: blockId, value, state: null }),
  };
  const title = `title-${view.id}`;
  dialog.setAttribute("aria-labelledby", title);
  dialog.replaceChildren(h("form", { class: "modal-form", novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(view, depth, form, event.submitter || event.target); } },
    h("div", { class: "modal-head" }, h("span", { class: "avatar tint-bot", "aria-hidden": "true" }, icon("search")), h("h2", { id: title }, plain(view.title.text)), h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dismiss(true) }, "×")),
    h("div", { class: "modal-body" }, blocks(view.blocks, context)),
    h("p", { class: "problem modal-problem", role: "alert" }, ""),
    h("div", { class: "modal-foot" }, h("button", { type: "button", class: "button", onclick: () => dismiss(false) }, plain(view.close?.text || (depth > 1 ? "Back" : "Cancel"))),
      view.submit ? h("button", { type: "submit", class: "button primary" }, plain(view.submit.text)) : null)));
  if (!dialog.open) dialog.showModal();
  (dialog.querySelector('.modal-body [aria-invalid="true"]') || dialog.querySelector(".modal-body input, .modal-body textarea, .modal-body select"))?.focus();
}

// What the page can tell without asking the app: a required answer is missing.
function missing(view, form) {
  const errors = {};
  for (const block of view.blocks) {
    if (block.type !== "input" || block.optional) continue;
    const state = form.values[block.block_id]?.[block.element.action_id];
    const initial = ["initial_value", "initial_option", "initial_options", "initial_date", "initial_time", "initial_user"].some((key) => block.element[key]);
    const given = state ? Object.entries(state).some(([key, value]) => key !== "type" && value !== null && value !== "" && !(Array.isArray(value) && !value.length)) : initial;
    if (!given) errors[block.block_id] = "Please complete this required field.";
  }
  return errors;
}

async function submit(view, depth, form, button) {
  const errors = missing(view, form);
  if (Object.keys(errors).length) { open(view, depth, form, errors); return; }
  button.setAttribute("aria-busy", "true");
  const answer = await act("submit", { user: store.me, view_id: view.id, values: form.values });
  button.removeAttribute("aria-busy");
  if (answer.errors && Object.keys(answer.errors).length) open(view, depth, form, answer.errors);
  else if (answer.ok === false || answer.error) {
    const line = dialog?.querySelector(".modal-problem");
    if (line) line.textContent = answer.text || `That did not work: ${answer.error}`;
  }
}

const dismiss = (all) => act("close", { user: store.me, clear: all });
