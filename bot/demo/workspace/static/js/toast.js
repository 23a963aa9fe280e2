// Short notices at the foot of the page.

import { byId, h } from "./dom.js";
import { icon } from "./icons.js";

export function toast(text, kind = "error") {
  const close = () => node.remove();
  const node = h("div", { class: `toast ${kind}` }, h("span", {}, icon(kind === "error" ? "warning" : "info")), h("span", {}, text),
    h("button", { type: "button", class: "close", "aria-label": "Dismiss", onclick: close }, "×"));
  byId("toasts").append(node);
  setTimeout(close, 12000);
}
