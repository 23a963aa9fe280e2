// The app's Home tab.

import { blocks } from "./blocks.js";
import { h } from "./dom.js";
import { swap } from "./list.js";
import { send } from "./message.js";
import { store } from "./store.js";

export class Home {
  constructor() {
    this.body = h("div", { class: "home-body" });
    this.node = h("div", { class: "scroller", role: "tabpanel", id: "panel-home", "aria-label": "Home" }, this.body);
    this.draw();
  }

  draw() {
    const view = store.homes[store.me];
    const fresh = h("div", { class: "home-body" }, view ? this.made(view) : h("p", { class: "empty" }, "Inquest has not published your Home yet."));
    swap(this.body, fresh);
    this.body = fresh;
  }

  made(view) {
    const context = {
      key: view.id, redraw: () => this.draw(),
      send: (element, blockId, value) => send({ user: store.me, view_id: view.id, action_id: element.action_id, block_id: blockId, value }),
    };
    return blocks(view.blocks, context);
  }
}
