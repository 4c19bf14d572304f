"use strict";
// Sorting and filtering of the table of statements. Without this script the page shows everything.
(() => {
  const table = document.getElementById("statements-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const text = document.getElementById("filter-text");
  const selects = Array.from(document.querySelectorAll("select[data-key]"));
  const shown = document.getElementById("filter-count");

  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      const keep = words.every((word) => content.includes(word))
        && selects.every((select) => !select.value || row.dataset[select.dataset.key] === select.value);
      row.hidden = !keep;
      count += keep;
    }
    shown.textContent = `${count} of ${rows.length}`;
  };
  text.addEventListener("input", filter);
  selects.forEach((select) => select.addEventListener("change", filter));
  filter();

  const headings = Array.from(table.tHead.rows[0].cells);
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.sort;
    return value === undefined ? cell.textContent.trim().toLowerCase() : (value === "" ? NaN : Number(value));
  };
  // Numbers by size, what has none last; texts by letters; equal ones stay in the order of the papers.
  const compare = (a, b) => {
    if (typeof a === "number") return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : (Number.isNaN(b) ? -1 : a - b);
    return a < b ? -1 : a > b ? 1 : 0;
  };
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map((row, index) => [key(row, column), index, row]);
      keyed.sort((a, b) => {
        const missing = Number.isNaN(a[0]) || Number.isNaN(b[0]);
        return (down && !missing ? -1 : 1) * compare(a[0], b[0]) || a[1] - b[1];
      });
      keyed.forEach(([, , row]) => body.append(row));
    });
  });
})();
