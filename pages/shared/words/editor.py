"""A text field that is checked while somebody types: the hits are underlined in the field itself, and the
focus stays where it is.

A component of our own, because Streamlit's text area tells its text only when it is left. The text is laid
under the field by `textContent`: nothing in it is ever read as HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

_JS = """
const PAUSE = 350;

export default function ({ data, setStateValue, parentElement }) {
  const area = parentElement.querySelector("textarea");
  const under = parentElement.querySelector(".under");
  const label = parentElement.querySelector("label");
  const count = parentElement.querySelector(".count");
  const own = (parentElement.desk ??= { mark: null, told: null, timer: 0, data: null });
  own.data = data;
  label.textContent = data.label;
  label.classList.toggle("hidden", data.hide_label);
  area.placeholder = data.placeholder;
  area.readOnly = data.disabled;
  area.setAttribute("aria-label", data.label);
  parentElement.querySelector(".field").style.minHeight = `${data.height}px`;

  function draw() {
    const text = area.value;
    const shown = own.data;
    under.replaceChildren();
    const signs = Array.from(text);
    count.textContent = shown.count.replace("{count}", String(signs.length));
    count.classList.toggle("full", signs.length > shown.most);
    if (text !== shown.checked) {
      under.textContent = text + "\\n";
      return;
    }
    let done = 0;
    for (const [start, end, severity] of shown.hits) {
      under.append(signs.slice(done, start).join(""));
      const mark = document.createElement("mark");
      mark.className = severity;
      mark.textContent = signs.slice(start, end).join("");
      under.append(mark);
      done = end;
    }
    under.append(signs.slice(done).join("") + "\\n");
  }

  function tell() {
    clearTimeout(own.timer);
    if (own.told === area.value) return;
    own.told = area.value;
    setStateValue("text", { value: area.value, mark: own.mark });
  }

  if (own.mark !== data.mark) {
    own.mark = data.mark;
    area.value = data.text;
    own.told = data.text;
  }
  area.oninput = () => {
    draw();
    clearTimeout(own.timer);
    own.timer = setTimeout(tell, PAUSE);
  };
  area.onblur = tell;
  draw();
  if (data.focus && !own.focused) {
    own.focused = true;
    area.focus();
  }
}
"""

_HTML = """<label></label>
<div class="field"><div class="under" aria-hidden="true"></div><textarea spellcheck="false"></textarea></div>
<div class="count"></div>
"""

_CSS = """
label { display: block; font-size: 0.875rem; margin-bottom: 0.25rem; color: var(--st-text-color); }
label.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.field { display: grid; border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
  background: var(--st-background-color); }
.field:focus-within { border-color: var(--st-primary-color); }
.under, textarea {
  grid-area: 1 / 1; box-sizing: border-box; width: 100%; margin: 0; padding: 0.65rem 0.75rem; border: 0;
  font: inherit; font-size: 1rem; line-height: 1.75; letter-spacing: normal; white-space: pre-wrap;
  overflow-wrap: anywhere; word-break: normal; tab-size: 4;
}
.under { color: transparent; pointer-events: none; }
textarea {
  background: transparent; color: var(--st-text-color); resize: none; overflow: hidden; outline: none;
}
textarea::placeholder { color: var(--st-gray-text-color, #7a827f); opacity: 1; }
mark { color: transparent; border-radius: 2px; background: transparent; }
mark.block { background: color-mix(in srgb, var(--st-red-color) 22%, transparent);
  box-shadow: inset 0 -2px 0 var(--st-red-color); }
mark.warn { background: color-mix(in srgb, var(--st-orange-color) 18%, transparent);
  border-bottom: 2px dotted var(--st-orange-color); }
.count {
  font-size: 0.8rem; text-align: right; padding-top: 0.15rem; color: var(--st-gray-text-color, #7a827f);
}
.count.full { color: var(--st-red-color); font-weight: 600; }
"""

_field = st.components.v2.component("shopdesk_editor", html=_HTML, css=_CSS, js=_JS)


def text(name: str) -> str:
    """What stands in the field."""
    return str(st.session_state.get(name, ""))


def put(name: str, value: str) -> None:
    """Writes into the field; what is being typed there is replaced."""
    st.session_state[name] = value
    st.session_state[f"{name}_mark"] = st.session_state.get(f"{name}_mark", 0) + 1


def start(name: str, value: str) -> None:
    """Writes into the field when it is drawn for the first time."""
    if name not in st.session_state:
        put(name, value)


def forget(name: str) -> None:
    """Empties the memory of a field that is closed."""
    st.session_state.pop(name, None)


def draw(
    name: str,
    *,
    label: str,
    hits: Sequence[tuple[int, int, str]],
    placeholder: str = "",
    count: str,
    most: int,
    height: int = 120,
    hide_label: bool = False,
    disabled: bool = False,
    focus: bool = False,
) -> None:
    """The field of `text(name)`. `hits` are (start, end, block | warn) in code points of that text.

    A second of typing causes a rerun of the fragment it stands in. `count` is the line below, "{count} …".
    `focus`: it takes the keyboard when it appears.
    """
    data: dict[str, Any] = {
        "text": text(name),
        "mark": f"{name}-{st.session_state.get(f'{name}_mark', 0)}",
        "checked": text(name),
        "hits": [list(hit) for hit in hits],
        "label": label,
        "hide_label": hide_label,
        "placeholder": placeholder,
        "count": count,
        "most": most,
        "height": height,
        "disabled": disabled,
        "focus": focus,
    }
    _field(data=data, key=f"{name}_field", on_text_change=lambda: _typed(name))


def _typed(name: str) -> None:
    """Takes over what was typed, unless the page has written into the field since."""
    found = st.session_state[f"{name}_field"].text or {}
    if found.get("mark") == f"{name}-{st.session_state.get(f'{name}_mark', 0)}":
        st.session_state[name] = str(found.get("value", ""))
