"use strict";
// The arrow keys go from cell to cell of a picture; the line under the picture shows the tooltip text of the cell
// that has the focus or the pointer. Without this script only the first cell can be reached by keyboard; tooltips
// and tables have the rest.
for (const picture of document.querySelectorAll("svg.picture")) {
  const readout = picture.parentElement.nextElementSibling;
  const rows = [...picture.querySelectorAll('[role="row"]')]
    .map((row) => [...row.querySelectorAll('[role="gridcell"]')])
    .filter((row) => row.length > 0);
  const middle = (cell) => {
    const box = cell.getBoundingClientRect();
    return box.left + box.width / 2;
  };
  const nearest = (row, x) =>
    row.reduce((best, cell) => (Math.abs(middle(cell) - x) < Math.abs(middle(best) - x) ? cell : best));
  const say = (cell) => {
    readout.textContent = cell.querySelector("title").textContent;
  };
  picture.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("g:has(> title)");
    if (cell) say(cell);
  });
  picture.addEventListener("focusin", (event) => say(event.target));
  picture.addEventListener("keydown", (event) => {
    const y = rows.findIndex((row) => row.includes(event.target));
    if (y < 0) return;
    const row = rows[y];
    const x = row.indexOf(event.target);
    const to = {
      ArrowLeft: () => row[x - 1],
      ArrowRight: () => row[x + 1],
      ArrowUp: () => rows[y - 1] && nearest(rows[y - 1], middle(event.target)),
      ArrowDown: () => rows[y + 1] && nearest(rows[y + 1], middle(event.target)),
      Home: () => row[0],
      End: () => row[row.length - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    const next = to();
    if (!next) return;
    event.target.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}
