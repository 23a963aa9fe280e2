// The short names this product and its people use; an unknown one is shown as it was written.

const NAMES = {
  mag: "🔍", mag_right: "🔎", white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", gear: "⚙️",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", rotating_light: "🚨", fire: "🔥", bell: "🔔", no_bell: "🔕", eyes: "👀",
  thumbsup: "👍", "+1": "👍", thumbsdown: "👎", "-1": "👎", bulb: "💡", chart_with_upwards_trend: "📈",
  chart_with_downwards_trend: "📉", bar_chart: "📊", clipboard: "📋", link: "🔗", lock: "🔒", unlock: "🔓", key: "🔑",
  rocket: "🚀", tada: "🎉", robot_face: "🤖", wave: "👋", information_source: "ℹ️", question: "❓", exclamation: "❗",
  large_green_circle: "🟢", large_yellow_circle: "🟡", large_orange_circle: "🟠", red_circle: "🔴", white_circle: "⚪",
  large_blue_circle: "🔵", black_circle: "⚫", arrow_up: "⬆️", arrow_down: "⬇️", arrow_right: "➡️", arrow_left: "⬅️",
  repeat: "🔁", arrows_counterclockwise: "🔄", stop_button: "⏹️", double_vertical_bar: "⏸️", arrow_forward: "▶️",
  no_entry: "⛔", construction: "🚧", wrench: "🔧", hammer: "🔨", package: "📦", floppy_disk: "💾", bug: "🐛",
  ticket: "🎫", memo: "📝", page_facing_up: "📄", books: "📚", calendar: "📅", clock1: "🕐", stopwatch: "⏱️",
  zap: "⚡", boom: "💥", skull: "💀", ok: "🆗", ok_hand: "👌", pray: "🙏", raised_hands: "🙌", sos: "🆘",
  checkered_flag: "🏁", telescope: "🔭", microscope: "🔬", shield: "🛡️", snowflake: "❄️", zzz: "💤", dart: "🎯",
};

export const emoji = (name) => NAMES[name] || null;
