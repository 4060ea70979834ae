"""What only the browser can do: keep the session cookie, notice an abandoned machine, switch the theme, tell
wide windows from narrow ones, copy text.

Two small components in the page's own origin. They are given opaque marks and our own words, never a
person's data to render as HTML.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

_BRIDGE_JS = """
const desk = (window.shopdesk ??= { seen: new Set(), data: {}, trigger: null, watching: false });

async function call(method, body) {
  try {
    const answer = await fetch("/api/session", {
      method,
      credentials: "same-origin",
      headers: { "content-type": "application/json" },
      body: body ? JSON.stringify(body) : undefined,
    });
    return answer.status === 204;
  } catch {
    return false;
  }
}

function once(mark, work) {
  if (!mark || desk.seen.has(mark)) return;
  desk.seen.add(mark);
  work();
}

function acted() {
  const now = Date.now();
  if (now - Number(localStorage.getItem("shopdesk-acted") ?? 0) > 5000) {
    localStorage.setItem("shopdesk-acted", String(now));
  }
}

function watch() {
  if (desk.watching) return;
  desk.watching = true;
  for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    window.addEventListener(kind, acted, { capture: true, passive: true });
  }
  small.addEventListener("change", tellWidth);
  window.addEventListener("keydown", (event) => {
    const plain = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    if (plain && event.key.toLowerCase() === "k") {
      const box = document.querySelector(".st-key-desk_search_text input");
      if (box) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    }
  });
  setInterval(() => {
    const idle = Number(desk.data.idle_seconds ?? 0);
    const last = Number(localStorage.getItem("shopdesk-acted") ?? 0);
    if (idle > 0 && Date.now() - last > idle * 1000) {
      once("idle-" + last, () => desk.trigger?.("idle", last));
    }
  }, 10000);
}

const small = matchMedia("(max-width: 640px)");

function tellWidth() {
  const now = small.matches ? "narrow" : "wide";
  document.cookie = `desk_width=${now}; path=/; max-age=31536000; samesite=lax`;
  if ((desk.told ?? desk.data.width) === now) return;
  desk.told = now;
  desk.trigger?.("width", now);
}

function paint(theme) {
  for (const path of desk.data.paths ?? []) {
    localStorage.setItem(`stActiveTheme-${path}-v2`, JSON.stringify(theme));
  }
  location.reload();
}

export default function ({ data, setTriggerValue }) {
  desk.data = data;
  desk.trigger = setTriggerValue;
  document.documentElement.lang = data.lang;
  watch();
  tellWidth();
  once(data.ticket, async () => {
    acted();
    setTriggerValue("cookie", (await call("POST", { ticket: data.ticket })) ? "kept" : "none");
  });
  once(data.forget, () => call("DELETE"));
  once(data.theme?.mark, () => paint(data.theme.name));
}
"""

_COPY_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector("button");
  const words = button.querySelector("span");
  words.textContent = data.label;
  button.title = data.label;
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(data.text);
    } catch {
      const area = document.createElement("textarea");
      area.value = data.text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    words.textContent = data.copied;
    setTimeout(() => { words.textContent = data.label; }, 1600);
    if (data.tell) setTriggerValue("done", true);
  };
}
"""

_COPY_HTML = """<button type="button"><span></span></button>
"""

_COPY_CSS = """
button {
  font: inherit;
  font-size: 0.875rem;
  color: var(--st-text-color);
  background: transparent;
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius);
  padding: 0.3rem 0.75rem;
  min-height: 2.25rem;
  cursor: pointer;
}
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
"""

_bridge = st.components.v2.component("shopdesk_bridge", html="<i></i>", js=_BRIDGE_JS)
_copy = st.components.v2.component("shopdesk_copy", html=_COPY_HTML, css=_COPY_CSS, js=_COPY_JS)


def bridge(
    *,
    lang: str,
    ticket: str | None,
    forget: str | None,
    idle_seconds: int,
    theme: dict[str, str] | None,
    width: str | None,
    paths: list[str],
) -> Any:
    """Mounts the bridge; the answer has `cookie` ("kept" or "none"), `idle` and `width` ("wide" or "narrow")
    for the one run after they happened.

    `idle_seconds` 0 means a person's own device, which is not locked. `width` is what we believe of the
    window so far.
    """
    data = {
        "lang": lang,
        "ticket": ticket,
        "forget": forget,
        "idle_seconds": idle_seconds,
        "theme": theme,
        "width": width,
        "paths": paths,
    }
    return _bridge(
        data=data,
        key="desk_bridge",
        height=1,
        on_cookie_change=_nothing,
        on_idle_change=_nothing,
        on_width_change=_nothing,
    )


def copy_button(label: str, text: str, *, copied: str, key: str, tell: bool = False) -> bool:
    """A button that copies `text` and says so. With `tell` the script runs again and hears of it, once."""
    data = {"label": label, "text": text, "copied": copied, "tell": tell}
    return bool(_copy(data=data, key=key, width="content", on_done_change=_nothing).done)


def _nothing() -> None:
    """Triggers only have to rerun the script."""
