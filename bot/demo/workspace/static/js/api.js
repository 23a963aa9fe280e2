// Talks to the control API of this workspace.

export async function act(action, body) {
  try {
    const response = await fetch(`/control/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return await response.json();
  } catch {
    return { ok: false, error: "simulation_unreachable", text: "The simulation does not answer. Is it still running?" };
  }
}

export async function loadState() {
  const response = await fetch("/control/state");
  return response.json();
}

// Follows the change feed; the browser reconnects by itself and resumes where it was.
export function follow(after, onChange, onReset, onOnline) {
  const source = new EventSource(`/control/stream?after=${after}`);
  let lost = false;
  source.onopen = () => { onOnline(true); if (lost) onReset(); lost = false; };
  source.onerror = () => { lost = true; onOnline(false); };
  source.onmessage = (event) => onChange(JSON.parse(event.data));
  source.addEventListener("reset", onReset);
  return source;
}
