// What the page knows, and who wants to hear when it changes.

export const store = {
  me: null, place: null, tab: "messages", thread: null,
  people: new Map(), channels: new Map(), messages: new Map(), ephemerals: new Map(),
  modals: {}, homes: {}, statuses: new Map(), prompts: new Map(),
  commands: [], shortcuts: [], usergroups: [], bot: null, team: null, unread: new Map(), ui: new Map(),
  connections: 0, requestUrl: null,
};

export function take(state) {
  Object.assign(store, {
    team: state.team, bot: state.bot, commands: state.commands, shortcuts: state.shortcuts, modals: state.modals,
    homes: state.homes, usergroups: state.usergroups, connections: state.connections, requestUrl: state.request_url,
  });
  store.people = new Map(state.people.map((person) => [person.id, person]));
  store.channels = new Map(state.channels.map((channel) => [channel.id, channel]));
  store.messages = new Map(Object.entries(state.messages).map(([id, list]) => [id, new Map(list.map((m) => [m.ts, m]))]));
  store.ephemerals = new Map(state.ephemerals.map((m) => [m.ts, m]));
  store.statuses = new Map(state.statuses.map((entry) => [`${entry.channel}/${entry.thread_ts}`, entry.status]));
  store.prompts = new Map(state.prompts.map((entry) => [entry.channel, entry]));
  return state.seq;
}

export const myDm = () => `D${store.me.slice(1)}`;
export const mine = (channel) => channel.members.includes(store.me);
export const isReply = (m) => Boolean(m.thread_ts) && m.thread_ts !== m.ts && m.subtype !== "thread_broadcast";

export function nameOf(id) {
  if (id === store.bot?.id) return "Inquest";
  return store.people.get(id)?.real_name || id;
}

export function channelName(id) {
  const channel = store.channels.get(id);
  return channel ? channel.name || "direct message" : id;
}

// Messages of a channel or thread with the ephemerals I may see, oldest first.
export function visible(channelId, threadTs) {
  const all = [...(store.messages.get(channelId)?.values() || [])];
  const kept = threadTs
    ? all.filter((m) => m.ts === threadTs || m.thread_ts === threadTs)
    : all.filter((m) => !isReply(m));
  for (const m of store.ephemerals.values()) {
    if (m.channel === channelId && m.to === store.me && (m.thread_ts || null) === (threadTs || null)) kept.push(m);
  }
  return kept.sort((a, b) => (a.ts < b.ts ? -1 : 1));
}

// State of the page that must survive a redraw: open parts, page of a table, typed input.
export function remembered(key, start) {
  if (!store.ui.has(key)) store.ui.set(key, start);
  return store.ui.get(key);
}
export const remember = (key, value) => store.ui.set(key, value);
