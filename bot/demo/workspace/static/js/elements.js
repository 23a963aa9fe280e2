// Interactive elements. In messages a change is sent at once; in modals the value waits for the submission.

import { byId, h } from "./dom.js";
import { icon } from "./icons.js";
import { plain, textObject } from "./mrkdwn.js";
import { remember, remembered, store } from "./store.js";

// `context`: { key, send(element, blockId, value), form } ; `form` collects the values of a modal.

function pressed(element, blockId, context, value) {
  return async (event) => {
    const target = event.currentTarget;
    if (element.confirm && !(await confirmed(element.confirm))) return;
    if (element.url) window.open(element.url, "_blank", "noopener,noreferrer");
    target.setAttribute("aria-busy", "true");
    await context.send(element, blockId, value);
    target.removeAttribute("aria-busy");
  };
}

function confirmed(confirm) {
  return new Promise((resolve) => {
    const close = (answer) => () => { dialog.close(); dialog.remove(); resolve(answer); };
    const dialog = h("dialog", { class: "modal confirm", "aria-labelledby": "confirm-title", oncancel: close(false) },
      h("h2", { id: "confirm-title" }, plain(confirm.title.text)), textObject(confirm.text),
      h("div", { class: "modal-foot" }, h("button", { type: "button", class: "button", onclick: close(false) }, confirm.deny.text),
        h("button", { type: "button", class: `button ${confirm.style === "danger" ? "danger" : "primary"}`, onclick: close(true) }, confirm.confirm.text)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function button(element, blockId, context) {
  return h("button", { type: "button", class: `button ${element.style || ""}`.trim(), "aria-label": element.accessibility_label,
    dataset: { key: `${context.key}/${blockId}/${element.action_id}`, action: element.action_id }, onclick: pressed(element, blockId, context) },
  plain(element.text.text), element.url ? h("span", { "aria-hidden": "true" }, " ↗") : null);
}

function feedback(element, blockId, context) {
  const one = (key, sign) => {
    const body = element[key];
    return h("button", { type: "button", class: "button small feedback", "aria-label": body.accessibility_label || body.text.text,
      dataset: { key: `${context.key}/${blockId}/${element.action_id}/${key}`, action: element.action_id },
      onclick: pressed(element, blockId, context, body.value) }, sign, " ", plain(body.text.text));
  };
  return h("span", { class: "feedback-pair" }, one("positive_button", icon("up")), one("negative_button", icon("down")));
}

function iconButton(element, blockId, context) {
  return h("button", { type: "button", class: "button small", "aria-label": element.accessibility_label || element.text.text,
    dataset: { key: `${context.key}/${blockId}/${element.action_id}` }, onclick: pressed(element, blockId, context) }, "✕ ", plain(element.text.text));
}

function keep(element, blockId, context, value, state) {
  remember(`${context.key}/${blockId}/${element.action_id}`, value);
  context.form?.set(blockId, element.action_id, { type: element.type, ...state });
}

const chosen = (element, blockId, context, start) => remembered(`${context.key}/${blockId}/${element.action_id}`, start);

function changed(element, blockId, context, value, state) {
  keep(element, blockId, context, value, state);
  if (!context.form || context.dispatch) context.send(element, blockId, value);
}

function select(element, blockId, context) {
  const groups = element.option_groups || [{ options: element.options || peopleOrRooms(element) }];
  const options = groups.flatMap((group) => group.options);
  const many = element.type.startsWith("multi_");
  const start = many ? (element.initial_options || []).map((o) => o.value) : element.initial_option?.value ?? element.initial_user ?? "";
  const value = chosen(element, blockId, context, start);
  const onchange = (event) => {
    const values = [...event.target.selectedOptions].map((o) => o.value).filter(Boolean);
    const found = options.filter((o) => values.includes(o.value)).map(({ bare, ...option }) => option);
    if (element.type === "users_select") return changed(element, blockId, context, values[0], { selected_user: values[0] || null });
    if (element.type === "channels_select") return changed(element, blockId, context, values[0], { selected_channel: values[0] || null });
    if (element.type === "conversations_select") return changed(element, blockId, context, values[0], { selected_conversation: values[0] || null });
    if (many) return changed(element, blockId, context, values, { selected_options: found });
    return changed(element, blockId, context, values[0] ?? null, { selected_option: found[0] || null });
  };
  const option = (o) => h("option", { value: o.value, selected: many ? value.includes(o.value) : o.value === value }, o.text.text);
  return h("select", { multiple: many, dataset: { key: `${context.key}/${blockId}/${element.action_id}`, action: element.action_id }, "aria-label": element.placeholder?.text || "Choose", id: context.inputId, onchange },
    many ? null : h("option", { value: "", selected: !value }, element.placeholder?.text || "Choose…"),
    groups.map((group) => (group.label ? h("optgroup", { label: group.label.text }, group.options.map(option)) : group.options.map(option))));
}

function peopleOrRooms(element) {
  const rows = element.type.includes("users") ? [...store.people.values()].map((p) => [p.id, p.real_name])
    : [...store.channels.values()].filter((c) => !c.is_im).map((c) => [c.id, `#${c.name}`]);
  return rows.map(([value, text]) => ({ value, text: { type: "plain_text", text } }));
}

function choices(element, blockId, context) {
  const many = element.type === "checkboxes";
  const start = many ? (element.initial_options || []).map((o) => o.value) : element.initial_option?.value ?? null;
  const now = () => chosen(element, blockId, context, start);
  const onchange = (option) => (event) => {
    if (!many) return changed(element, blockId, context, option.value, { selected_option: option });
    const values = event.target.checked ? [...now(), option.value] : now().filter((v) => v !== option.value);
    return changed(element, blockId, context, values, { selected_options: element.options.filter((o) => values.includes(o.value)) });
  };
  return h("div", { class: "choices", role: many ? "group" : "radiogroup", id: context.inputId }, element.options.map((option) => h("label", {},
    h("input", { type: many ? "checkbox" : "radio", name: `${context.key}/${blockId}`, checked: many ? now().includes(option.value) : now() === option.value, onchange: onchange(option) }),
    h("span", {}, textObject(option.text), option.description ? h("span", { class: "hint" }, textObject(option.description)) : null))));
}

const PICK = { datepicker: ["date", "initial_date", "selected_date"], timepicker: ["time", "initial_time", "selected_time"] };

function picker(element, blockId, context) {
  const [type, initial, key] = PICK[element.type];
  const value = chosen(element, blockId, context, element[initial] || "");
  return h("input", { type, value, id: context.inputId, "aria-label": element.placeholder?.text || type, dataset: { key: `${context.key}/${blockId}/${element.action_id}` },
    onchange: (event) => changed(element, blockId, context, event.target.value || null, { [key]: event.target.value || null }) });
}

const TYPES = { email_text_input: "email", url_text_input: "url", number_input: "number" };

function textInput(element, blockId, context) {
  const value = chosen(element, blockId, context, element.initial_value || "");
  const attributes = {
    id: context.inputId, placeholder: element.placeholder?.text, minlength: element.min_length, maxlength: element.max_length || 3000,
    dataset: { key: `${context.key}/${blockId}/${element.action_id}` }, "aria-describedby": context.describedBy,
    oninput: (event) => keep(element, blockId, context, event.target.value, { value: event.target.value || null }),
  };
  if (element.multiline) return h("textarea", { ...attributes, rows: 4 }, value);
  return h("input", { ...attributes, type: TYPES[element.type] || "text", value });
}

function overflow(element, blockId, context) {
  const id = `menu-${context.key}-${blockId}-${element.action_id}`;
  const items = element.options.map((option) => h("button", { type: "button", role: "menuitem", onclick: (event) => {
    byId(id).hidePopover();
    if (option.url) window.open(option.url, "_blank", "noopener,noreferrer");
    return pressed(element, blockId, context, option.value)(event);
  } }, plain(option.text.text)));
  return h("span", { class: "overflow" }, h("button", { type: "button", class: "button small", popovertarget: id, "aria-label": "More", "aria-haspopup": "menu" }, "⋯"),
    h("div", { id, class: "menu", popover: "auto", role: "menu" }, items));
}

const MADE = {
  button, feedback_buttons: feedback, icon_button: iconButton, workflow_button: button, overflow, radio_buttons: choices, checkboxes: choices,
  datepicker: picker, timepicker: picker, plain_text_input: textInput, email_text_input: textInput, url_text_input: textInput, number_input: textInput,
};

export function element(body, blockId, context) {
  if (body.type === "image") return h("img", { class: "thumb", src: body.image_url || fileUrl(body.slack_file), alt: body.alt_text });
  if (body.type.endsWith("_select")) return select(body, blockId, context);
  return MADE[body.type] ? MADE[body.type](body, blockId, context) : h("span", { class: "hint" }, `(${body.type})`);
}

export const fileUrl = (file) => (file?.id ? `/files/${file.id}/image` : file?.url);
