// The theme, filters above tables, buttons that copy, and what a form says while it waits. Works from files too.
"use strict";
const root = document.documentElement;
const THEMES = ["auto", "light", "dark"];
const ROWS_AT_ONCE = 100;
root.classList.add("js");

function theme(chosen) {
  try {
    if (chosen) localStorage.setItem("zoo-theme", chosen);
    else chosen = localStorage.getItem("zoo-theme");
  } catch { /* no storage: the choice holds for this page */ }
  if (!THEMES.includes(chosen)) chosen = "auto";
  if (chosen === "auto") root.removeAttribute("data-theme");
  else root.dataset.theme = chosen;
  return chosen;
}
let current = theme();

function switchOf(button) {
  const [name, ...words] = button.dataset.words.split("|");
  const show = () => { button.textContent = `${name}: ${words[THEMES.indexOf(current)]}`; };
  button.addEventListener("click", () => {
    current = theme(THEMES[(THEMES.indexOf(current) + 1) % THEMES.length]);
    show();
  });
  button.hidden = false;
  show();
}

function filter(form) {
  const table = form.dataset.table;
  const rows = [...document.querySelectorAll(`#${table} tbody tr`)];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const more = document.querySelector(`[data-more="${table}"]`);
  const none = document.querySelector(`[data-none="${table}"]`);
  const count = form.querySelector(".count");
  const fields = [...form.elements].filter((field) => field.name);
  const selects = fields.filter((field) => field.name !== "q");
  const search = form.elements.q;
  let most = ROWS_AT_ONCE;

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = selects.filter((field) => field.value);
    let found = 0;
    rows.forEach((row, n) => {
      const fits = wanted.every((field) => row.dataset[field.name].split("|").includes(field.value))
        && words.every((word) => texts[n].includes(word));
      if (fits) found += 1;
      row.hidden = !fits || found > most;
    });
    const numbers = [found, rows.length].map((number) => number.toLocaleString("en"));
    count.textContent = count.dataset.words.replace(/#/g, () => numbers.shift());
    more.hidden = found <= most;
    none.hidden = found > 0;
  };
  const changed = () => {
    most = ROWS_AT_ONCE;
    const kept = fields.filter((field) => field.value).map((field) => [field.name, field.value]);
    const query = kept.length ? `?${new URLSearchParams(kept)}` : "";
    try {
      history.replaceState(null, "", query || location.pathname);
    } catch { /* a file: the address stays */ }
    document.querySelectorAll("header a[hreflang]").forEach((link) => { link.search = query; });
    show();
  };
  new URLSearchParams(location.search).forEach((value, name) => {
    const field = fields.find((one) => one.name === name);
    if (field) field.value = value;
  });
  selects.filter((field) => field.selectedIndex < 0).forEach((field) => { field.value = ""; });
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(changed));
  more.addEventListener("click", () => { most += ROWS_AT_ONCE; show(); });
  changed();
}

function copier(block, [copy, copied]) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = copy;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = copied;
  });
  const both = document.createElement("div");
  both.className = "copied";
  block.replaceWith(both);
  both.append(block, button);
}

function waiter(form) {
  const button = form.querySelector("button");
  const said = form.querySelector(".busy");
  form.addEventListener("submit", () => {
    button.disabled = true;
    said.textContent = form.dataset.busy;
  });
  addEventListener("pageshow", () => { // also when the browser's back button brings the page again
    button.disabled = false;
    said.textContent = "";
  });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("button.theme").forEach(switchOf);
  document.querySelectorAll("form.filters").forEach(filter);
  document.querySelectorAll("form[data-busy]").forEach(waiter);
  if (navigator.clipboard) {
    const words = document.querySelector("main").dataset.copy.split("|");
    document.querySelectorAll("pre").forEach((block) => copier(block, words));
  }
});
