// A series of rates as a picture: steps, since each is the mean between two notes.
"use strict";

const Chart = (() => {
  const { element } = Texts;
  const WIDTH = 640;
  const HEIGHT = 150;
  const LEFT = 8;
  const TOP = 12;
  const BOTTOM = 22;

  function svg(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // The next of 1, 2, 5, 10 … that is not less.
  function round(most) {
    if (most <= 0) return 1;
    const ten = 10 ** Math.floor(Math.log10(most));
    return [1, 2, 5, 10].find((step) => step * ten >= most) * ten;
  }

  const clock = (seconds) =>
    new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const number = (rate) => (rate >= 100 ? Math.round(rate) : Number(rate.toPrecision(3))).toLocaleString("en");

  // `steps` are [{from, at, [field]}], at least one; `unit` is what the numbers are of.
  function chart(steps, field, title, unit) {
    const from = steps[0].from;
    const until = steps.at(-1).at;
    const values = steps.map((step) => step[field]);
    const top = round(Math.max(...values));
    const x = (at) => LEFT + ((at - from) / (until - from)) * (WIDTH - 2 * LEFT);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const line = steps.flatMap((step) => [`${x(step.from)},${y(step[field])}`, `${x(step.at)},${y(step[field])}`]);
    const floor = y(0);
    const area = [`${x(from)},${floor}`, ...line, `${x(until)},${floor}`].join(" ");
    const seconds = steps.map((step) => step.at - step.from);
    const mean = values.reduce((sum, value, i) => sum + value * seconds[i], 0) / (until - from);
    const told = `now ${number(values.at(-1))}, mean ${number(mean)}, highest ${number(Math.max(...values))} ${unit}`;
    const cursor = svg("line", { class: "cursor", y1: TOP, y2: floor, x1: -9, x2: -9 });
    const picture = svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${told}`, preserveAspectRatio: "none" },
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - LEFT, y1: y(top), y2: y(top) }),
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - LEFT, y1: y(top / 2), y2: y(top / 2) }),
      svg("line", { class: "axis", x1: LEFT, x2: WIDTH - LEFT, y1: floor, y2: floor }),
      svg("polygon", { class: "area", points: area }),
      svg("polyline", { class: "line", points: line.join(" ") }),
      cursor,
    );
    const caption = element("span", { class: "told" }, told);
    const at = (event) => {
      const box = picture.getBoundingClientRect();
      const place = from + (((event.clientX - box.left) / box.width) * WIDTH - LEFT) * ((until - from) / (WIDTH - 2 * LEFT));
      const step = steps.find((one) => place <= one.at) ?? steps.at(-1);
      const middle = x((step.from + step.at) / 2);
      cursor.setAttribute("x1", middle);
      cursor.setAttribute("x2", middle);
      caption.textContent = `${clock(step.from)} – ${clock(step.at)}: ${number(step[field])} ${unit}`;
    };
    picture.addEventListener("pointermove", at);
    picture.addEventListener("pointerleave", () => {
      cursor.setAttribute("x1", -9);
      cursor.setAttribute("x2", -9);
      caption.textContent = told;
    });
    return element("figure", { class: "chart" },
      element("figcaption", {}, element("strong", {}, title), " ", caption),
      element("div", { class: "plot" },
        picture,
        element("span", { class: "top-label", "aria-hidden": "true" }, number(top)),
        element("span", { class: "from-label", "aria-hidden": "true" }, clock(from)),
        element("span", { class: "until-label", "aria-hidden": "true" }, clock(until))),
    );
  }

  return { chart, number, clock };
})();
