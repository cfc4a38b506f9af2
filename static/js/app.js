// What the pages gain with JavaScript: keys on lists, live updates, and details that stay open when a part is replaced.
// Everything works without it.
//
//   [data-keys]            a list with keys j and k; its [data-item] rows can be selected, [data-open] is a row's link
//   [data-key="a"]         pressed by this key: in the selected row, else anywhere on the page
//   [data-search]          focused by "/"        #keys  the dialog opened by "?"
//   [data-live]            an element on a page that wants the event stream; hx-trigger="live from:body" refreshes a part
//   [data-submit]          a control whose change submits its form
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // --- keys ---------------------------------------------------------------------------------------------------------

  const keysOff = () => localStorage.getItem("keys") === "off";
  const rows = () => all("[data-keys] [data-item]");
  const selected = () => one("[data-keys] .is-selected");

  function select(row) {
    if (!row) return;
    all("[data-keys] .is-selected").forEach((old) => old.classList.remove("is-selected"));
    row.classList.add("is-selected");
    const link = one("[data-open]", row);
    if (link) link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const list = rows();
    const at = list.indexOf(selected());
    select(list[at < 0 ? 0 : Math.min(Math.max(at + step, 0), list.length - 1)]);
  }

  function press(key) {
    const row = selected();
    const target = (row && one(`[data-key="${key}"]`, row)) || (rows().length ? null : one(`[data-key="${key}"]`));
    if (target) target.click();
    return Boolean(target);
  }

  const commands = {
    j: () => (rows().length ? move(1) : press("j")),
    k: () => (rows().length ? move(-1) : press("k")),
    o: () => selected() && one("[data-open]", selected())?.click(),
    "/": () => one("[data-search]")?.focus(),
    "?": () => one("#keys")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1 || isTyping || keysOff()) return;
    const command = commands[event.key] || (/^[a-z]$/.test(event.key) ? () => press(event.key) : null);
    if (command && command() !== false) event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-keys] [data-item]");
    if (row && row !== selected()) {
      all("[data-keys] .is-selected").forEach((old) => old.classList.remove("is-selected"));
      row.classList.add("is-selected");
    }
  });

  const toggle = one("[data-keys-off]");
  if (toggle) {
    toggle.checked = !keysOff();
    toggle.addEventListener("change", () => localStorage.setItem("keys", toggle.checked ? "on" : "off"));
  }

  // --- live ---------------------------------------------------------------------------------------------------------

  const POLL_MS = 30000;
  let stream = null;
  let pending = null;

  function tell(detail) {
    clearTimeout(pending);
    pending = setTimeout(() => document.body.dispatchEvent(new CustomEvent("live", { detail })), 300);
  }

  function listen() {
    if (stream || document.hidden || !one("[data-live]") || !window.EventSource) return;
    stream = new EventSource("/events/");
    stream.addEventListener("approval", (event) => tell(JSON.parse(event.data)));
    stream.addEventListener("refresh", () => tell({}));
  }

  function rest() {
    if (stream) stream.close();
    stream = null;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return rest();
    listen();
    if (one("[data-live]")) tell({});
  });
  window.addEventListener("pagehide", rest);
  window.addEventListener("pageshow", listen);
  setInterval(() => {
    const isDown = !stream || stream.readyState !== EventSource.OPEN;
    if (isDown && !document.hidden && one("[data-live]")) tell({});
    if (stream && stream.readyState === EventSource.CLOSED) {
      rest();
      listen();
    }
  }, POLL_MS);

  // --- parts that are replaced --------------------------------------------------------------------------------------

  let open = [];
  let place = -1;

  document.addEventListener("htmx:beforeSwap", (event) => {
    open = all("details[id][open]", event.detail.target).map((details) => details.id);
    place = rows().indexOf(selected());
  });
  document.addEventListener("htmx:afterSettle", () => {
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (place >= 0 && !selected()) select(rows()[Math.min(place, rows().length - 1)]);
  });

  // --- what fails ---------------------------------------------------------------------------------------------------

  function show(trouble, event) {
    const isAsked = !/^(every|live)/.test(event.detail.requestConfig?.triggeringEvent?.type || "every");
    if (isAsked) one("#messages").replaceChildren(one(`#trouble-${trouble}`).content.cloneNode(true));
  }

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr } = event.detail;
    if (!new URL(xhr.responseURL || location.href).pathname.startsWith("/accounts/login/")) return;
    event.preventDefault(); // the form to sign in is no part of this page
    one("#messages").replaceChildren(one("#trouble-session").content.cloneNode(true));
  });
  document.addEventListener("htmx:responseError", (event) => show("request", event));
  document.addEventListener("htmx:sendError", (event) => show("offline", event));

  // --- small things -------------------------------------------------------------------------------------------------

  document.addEventListener("change", (event) => {
    const control = event.target.closest("[data-submit]");
    if (control) control.form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    all("details.usermenu[open]").forEach((menu) => menu.contains(event.target) || menu.removeAttribute("open"));
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) navigator.clipboard.writeText(copy.dataset.copy);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    all("details.usermenu[open]").forEach((menu) => {
      menu.removeAttribute("open");
      one("summary", menu).focus();
    });
  });
})();
