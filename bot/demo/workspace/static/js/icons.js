// Drawn icons, so that the page looks the same where no emoji font is installed.

import { s } from "./dom.js";

const RING = "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18";
// name: [paths as [d, fill or null for a stroke, colour]]
const SHAPES = {
  search: [["M10 3a7 7 0 1 0 0 14a7 7 0 0 0 0-14M15.2 15.2L21 21"]],
  check: [["M4 4h16v16H4z", true, "#18804a"], ["M7.5 12.5l3 3l6-7", false, "#fff"]],
  tick: [["M4.5 12.5l5 5L19.5 7"]],
  cross: [["M5 5l14 14M19 5L5 19", false, "#c8362c"]],
  warning: [["M12 3L22.5 21h-21z", true, "#f2b632"], ["M12 9.5v5.5M12 17.6v.6", false, "#3b2a00"]],
  bang: [[RING, true, "#c8362c"], ["M12 7v6.2M12 16.4v.6", false, "#fff"]],
  ring: [[RING]],
  spinner: [["M12 3a9 9 0 1 1-9 9"]],
  hourglass: [["M6 3h12M6 21h12M7.5 3c0 5 9 7.5 9 18M16.5 3c0 5-9 7.5-9 18"]],
  up: [["M7 11v9H3.500v-9zM7 11l4-8c2 0 2.6 1 2.3 3l-.7 3.500h6c1.3 0 2 .9 1.7 2l-1.8 6.700c-.3 1.1-1 1.8-2.2 1.800H7"]],
  down: [["M17 13V4h3.500v9zM17 13l-4 8c-2 0-2.6-1-2.3-3l.7-3.500h-6c-1.3 0-2-.9-1.7-2l1.8-6.700C5.8 4.7 6.5 4 7.7 4H17"]],
  gear: [["M12 8.500a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7"], ["M12 2.500v4M12 17.500v4M2.5 12h4M17.5 12h4M5.3 5.300l2.8 2.800M15.9 15.900l2.8 2.800M18.7 5.300l-2.8 2.800M8.1 15.900l-2.8 2.8"]],
  siren: [["M5 20h14M7 20v-7a5 5 0 0 1 10 0v7z", true, "#c8362c"], ["M12 2v3M4 5l2 2M20 5l-2 2"]],
  fire: [["M12 2c1 5 6 6.5 6 12a6 6 0 0 1-12 0c0-3 1.6-4 2.4-6c1 1.4 1.6 2 2.6 2.500C12 8 11.5 5 12 2", true, "#e2661c"]],
  rise: [["M3 20h18M3 16l6-6l4 4l7-9M15 5h5v5"]],
  fall: [["M3 20h18M3 5l6 6l4-4l7 9M15 16h5v-5"]],
  bars: [["M3 21h18M6 18v-6M12 18V5M18 18v-9"]],
  list: [["M6 4h12v17H6zM9 3h6v3H9zM9 10h6M9 14h6M9 18h4"]],
  ticket: [["M3 7h18v3.500a1.5 1.5 0 0 0 0 3V17H3v-3.500a1.5 1.5 0 0 0 0-3zM14 7v10"]],
  memo: [["M5 3h10l4 4v14H5zM8 11h8M8 15h8"]],
  books: [["M5 4h4v16H5zM9 4h4v16H9zM13.5 5l4-1l3 15l-4 1z"]],
  bulb: [["M9 18h6M10 21h4M12 3a6 6 0 0 0-3.5 11v2h7v-2A6 6 0 0 0 12 3"]],
  eye: [["M2 12c5-8 15-8 20 0c-5 8-15 8-20 0M12 9a3 3 0 1 0 0 6a3 3 0 0 0 0-6"]],
  reply: [["M3 5h18v12H10l-5 4v-4H3z"]],
  bell: [["M5 17h14l-2-3v-4a5 5 0 0 0-10 0v4zM10.5 20h3"]],
  mute: [["M5 17h14l-2-3v-4a5 5 0 0 0-10 0v4zM10.5 20h3M4 3l16 18"]],
  pause: [["M7 5h3.500v14H7zM13.5 5H17v14h-3.500z", true]],
  play: [["M7 4l13 8l-13 8z", true]],
  stop: [["M6 6h12v12H6z", true]],
  repeat: [["M4 11a8 8 0 0 1 14-4l2 2M20 4v5h-5M20 13a8 8 0 0 1-14 4l-2-2M4 20v-5h5"]],
  lock: [["M6 11h12v10H6zM8.5 11V7.500a3.5 3.5 0 0 1 7 0V11"]],
  info: [[RING], ["M12 11v6M12 7.400v.6"]],
  question: [["M8.5 9a3.5 3.5 0 1 1 5 3.200c-1.2.6-1.5 1.3-1.5 2.300M12 18v.6"]],
  clock: [[RING], ["M12 7v5.500l3.5 2"]],
  rocket: [["M12 2c4 3 5 8 3.5 13h-7C7 10 8 5 12 2M8 12l-3 4v3l3.5-3M16 12l3 4v3l-3.5-3M12 17v4"]],
  bolt: [["M13 2L5 14h6l-1 8l8-12h-6z", true, "#e0a100"]],
  wrench: [["M15 3a5 5 0 0 0-5 7L3 17l4 4l7-7a5 5 0 0 0 7-5l-3 2l-3-1l-1-3z"]],
  bug: [["M8 9h8v8a4 4 0 0 1-8 0zM9 9a3 3 0 0 1 6 0M3 13h5M16 13h5M4 7l4 3M20 7l-4 3M4 20l4-3M20 20l-4-3"]],
  page: [["M6 3h9l4 4v14H6z"]],
  link: [["M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1"]],
  shield: [["M12 2l8 3v6c0 5-3.5 9-8 11c-4.5-2-8-6-8-11V5z"]],
  noentry: [[RING, true, "#c8362c"], ["M7 12h10", false, "#fff"]],
  robot: [["M4 8h16v11H4zM12 8V4M8.5 12.500v1M15.5 12.500v1M9 16.500h6"]],
  wave: [["M6 12l4 6c3 3 8 2 9-2l1-7M8 11l3 4M9 7l5 6M12 5l4 6"]],
};
for (const [name, colour] of Object.entries({ green: "#2f9e57", yellow: "#e0b000", orange: "#e2761c", red: "#d23c32", blue: "#2f7fd0", white: "#c9d3d8", black: "#30383c" })) {
  SHAPES[`dot-${name}`] = [[RING, true, colour]];
}

const OF = {
  "🔍": "search", "🔎": "search", "✅": "check", "✔": "tick", "✓": "tick", "❌": "cross", "✖": "cross", "⚠": "warning", "⏳": "hourglass", "⌛": "hourglass",
  "👍": "up", "👎": "down", "⚙": "gear", "🚨": "siren", "🔥": "fire", "📈": "rise", "📉": "fall", "📊": "bars", "📋": "list", "🎫": "ticket", "📝": "memo",
  "📚": "books", "💡": "bulb", "👀": "eye", "👁": "eye", "💬": "reply", "🔔": "bell", "🔕": "mute", "⏸": "pause", "▶": "play", "⏹": "stop", "🔁": "repeat",
  "🔄": "repeat", "🔒": "lock", "🔓": "lock", "🔑": "lock", "ℹ": "info", "❓": "question", "❗": "bang", "🕐": "clock", "⏱": "clock", "⏰": "clock", "🚀": "rocket",
  "⚡": "bolt", "🔧": "wrench", "🐛": "bug", "📄": "page", "🔗": "link", "🛡": "shield", "⛔": "noentry", "🤖": "robot", "👋": "wave", "🟢": "dot-green",
  "🟡": "dot-yellow", "🟠": "dot-orange", "🔴": "dot-red", "🔵": "dot-blue", "⚪": "dot-white", "⚫": "dot-black",
};
export const PICTURES = new RegExp(`(${Object.keys(OF).join("|")})\uFE0F?`, "u");

export function icon(name, extra = "") {
  const paths = SHAPES[name].map(([d, filled, colour]) => s("path", {
    d, fill: filled ? colour || "currentColor" : "none", stroke: filled ? null : colour || "currentColor",
    "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round",
  }));
  return s("svg", { viewBox: "0 0 24 24", class: `icon ${extra}`.trim(), "aria-hidden": "true" }, paths);
}

// A drawn picture for a character, or null when there is none.
export const drawn = (character) => (OF[character] ? icon(OF[character]) : null);
