// The link to the server, and what the page says of it.

/** An SDK client whose state is shown in `elements`. `data` is told to the server at every connect. */
export function connectClient({ Centrifuge, elements, data }) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const client = new Centrifuge(`${scheme}://${location.host}/connection/websocket`, { data, name: "polywire-chat" });
  let wasConnected = false;
  let attempt = 0;

  function show(state, text, detail = "") {
    elements.badge.dataset.state = state;
    elements.badge.title = detail;
    elements.text.textContent = text;
    elements.again.hidden = state !== "disconnected";
  }

  function showAttempt(detail) {
    const verb = wasConnected ? "Reconnecting…" : "Connecting…";
    show("connecting", attempt > 1 || wasConnected ? `${verb} attempt ${attempt}` : verb, detail);
  }

  client.on("connecting", ({ reason }) => {
    attempt = 1;
    showAttempt(reason);
  });
  client.on("error", ({ type, error }) => {
    if (client.state !== "connecting" || (type !== "transport" && type !== "connect")) return;
    attempt += 1;
    showAttempt(error?.message);
  });
  client.on("connected", ({ transport }) => {
    wasConnected = true;
    show("connected", "Connected", `over ${transport}`);
  });
  client.on("disconnected", ({ reason }) => show("disconnected", "Disconnected", reason));
  elements.again.addEventListener("click", () => client.connect());
  return client;
}
