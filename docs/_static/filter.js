// A box above a table that hides the rows without every word that is typed: <div class="filter"></div> before it.
document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("div.filter")) {
    let next = place.nextElementSibling;
    while (next && !next.querySelector("tbody")) next = next.nextElementSibling;
    if (!next) continue;
    const rows = [...next.querySelectorAll("tbody tr")];
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = "funnel en, classification, ModelScope, MIT ...";
    input.setAttribute("aria-label", "Filter the table");
    const count = document.createElement("span");
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const cells = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => cells.includes(word));
      }
      count.textContent = `${rows.filter((row) => !row.hidden).length} / ${rows.length}`;
    };
    input.addEventListener("input", show);
    place.append(input, count);
    show();
  }
});
