// Builds elements. Text is always set as text: nothing that comes from a message is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.setAttribute("class", value);
    else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key === "style") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const byId = (id) => document.getElementById(id);

export function fragment(...children) {
  const made = document.createDocumentFragment();
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// Only addresses a person can judge; anything else is shown as plain text.
export function link(address, label) {
  const text = label || address;
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return h("span", {}, text);
  const local = address.startsWith(`${location.origin}/archives/`);
  return h("a", { href: address, rel: "noopener noreferrer nofollow", target: local ? null : "_blank" }, text);
}

export const hidden = (text) => h("span", { class: "visually-hidden" }, text);

export function announce(text) {
  const live = byId("announcer");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}
