/* Tables of many rows get a box that filters them, and heads that sort them. */

const MANY = 15;

function filterable(table) {
  const rows = [...table.tBodies[0].rows];
  const box = document.createElement("input");
  box.type = "search";
  box.className = "md-input";
  box.style.width = "100%";
  box.placeholder = "Filter: words that a row has to hold, such as audio 2023";
  box.setAttribute("aria-label", "Filter the table");
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.before(box);
}

function sortable(table) {
  const body = table.tBodies[0];
  for (const head of table.tHead.rows[0].cells) {
    head.style.cursor = "pointer";
    head.title = "Sort";
    head.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order === 1 ? "ascending" : "descending");
      const text = (row) => row.cells[head.cellIndex].textContent;
      const compare = (a, b) => text(a).localeCompare(text(b), "en", { numeric: true });
      body.append(...[...body.rows].sort((a, b) => order * compare(a, b)));
    });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table:not([class])")) {
    if (table.tHead && table.tBodies[0] && table.tBodies[0].rows.length >= MANY) {
      filterable(table);
      sortable(table);
    }
  }
});
