// A list of any length, of which only the rows are there that are seen.
"use strict";

// `rows` is a focusable listbox with one child; `row` makes the node of an item; `pick` is told
// the item that was clicked.
function seenList(rows, row, pick) {
  const HEIGHT = 68; // pixels; as .row in the style sheet
  const MORE = 5;
  const inner = rows.firstElementChild;
  let items = [];
  let chosen = -1;
  let drawn = "";

  function draw() {
    const first = Math.max(0, Math.floor(rows.scrollTop / HEIGHT) - MORE);
    const last = Math.min(items.length, Math.ceil((rows.scrollTop + rows.clientHeight) / HEIGHT) + MORE);
    if (`${first}-${last}` === drawn) return;
    drawn = `${first}-${last}`;
    inner.replaceChildren(...items.slice(first, last).map((item, i) => placed(item, first + i)));
    mark();
  }

  function placed(item, place) {
    const made = row(item);
    made.id = `row-${place}`;
    made.setAttribute("aria-setsize", items.length);
    made.setAttribute("aria-posinset", place + 1);
    made.style.top = `${place * HEIGHT}px`;
    made.addEventListener("click", () => pick(item));
    return made;
  }

  function mark() {
    for (const one of inner.children) one.setAttribute("aria-selected", String(one.id === `row-${chosen}`));
    if (document.getElementById(`row-${chosen}`)) rows.setAttribute("aria-activedescendant", `row-${chosen}`);
    else rows.removeAttribute("aria-activedescendant");
  }

  // Other items, of which one is chosen, or -1.
  function show(found, place) {
    items = found;
    chosen = place;
    inner.style.height = `${items.length * HEIGHT}px`;
    drawn = "";
    draw();
  }

  // The same, brought into view.
  function choose(place) {
    chosen = place;
    const top = place * HEIGHT;
    if (place >= 0 && top < rows.scrollTop) rows.scrollTop = top;
    else if (place >= 0 && top + HEIGHT > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + HEIGHT - rows.clientHeight;
    draw();
    mark();
  }

  rows.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(rows);
  return { show, choose };
}
