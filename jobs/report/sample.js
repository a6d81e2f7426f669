// A sample as a card. It is an object with the columns of a report's samples (`sample_index`,
// `fate`, `kept`, `published`, `finish_reason`, `reasoning_tokens`, `answer_tokens`,
// `final_answer`, `reasoning`, `answer`, `failure`) and `scores`, {column: value}. What is not
// known is null or missing. `reasoning` and `answer` are as `Texts.text` takes them.
"use strict";

const Samples = (() => {
  const { element, text, plain, count } = Texts;

  const known = (value) => value !== null && value !== undefined;
  const said = (value) => known(value) && length(value) > 0;

  function standing(sample) {
    return sample.published ? "published" : sample.kept ? "kept" : "rejected";
  }

  function tokens(sample) {
    const parts = [];
    if (known(sample.reasoning_tokens)) parts.push(`${count(sample.reasoning_tokens)} thinking`);
    if (known(sample.answer_tokens)) parts.push(`${count(sample.answer_tokens)} answer`);
    return parts.length ? `${parts.join(" + ")} tokens` : "tokens unknown";
  }

  function fate(sample) {
    return element("span", { class: `fate ${standing(sample)}` }, plain(element("bdi"), sample.fate ?? "not judged yet"));
  }

  function value(of) {
    if (!known(of)) return element("span", { class: "none" }, "none");
    if (typeof of === "number") return String(Number.isInteger(of) ? count(of) : Number(of.toPrecision(4)));
    if (typeof of === "boolean") return of ? "true" : "false";
    return plain(element("bdi"), String(of));
  }

  function scores(of) {
    const rows = Object.entries(of).map(([name, one]) =>
      element("tr", {}, element("th", { scope: "row" }, plain(element("bdi"), name)), element("td", {}, value(one))),
    );
    if (!rows.length) return null;
    return folded("scores", `Scores · ${rows.length}`, () =>
      element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Scores" },
        element("table", {}, element("tbody", {}, ...rows))),
    );
  }

  // Made when it is first opened: most never are.
  function folded(name, title, make, open = false) {
    const made = element("details", { class: name }, element("summary", {}, title));
    const fill = () => made.childElementCount === 1 && made.append(make());
    made.addEventListener("toggle", () => made.open && fill());
    if (open) {
      fill();
      made.open = true;
    }
    return made;
  }

  const length = (of) => (typeof of === "string" ? of.length : of[0].length + of[1] + of[2].length);

  // `options`: {math, sought, open: whether reasoning is unfolded, actions: nodes for its head,
  // heading: the level of its heading}.
  function card(sample, options = {}) {
    const head = element("header", {},
      element(options.heading ?? "h5", {}, `Sample ${sample.sample_index}`),
      fate(sample),
      element("span", { class: "facts" }, ...(known(sample.finish_reason) ? ["ended by ", plain(element("bdi"), sample.finish_reason), " · "] : []), tokens(sample)),
      ...(options.actions ?? []),
    );
    const parts = [head];
    if (said(sample.failure)) parts.push(element("div", { class: "failure" }, "Failed: ", text(sample.failure, { ...options, math: false })));
    if (said(sample.final_answer)) {
      const final = text(sample.final_answer, { ...options, math: false });
      parts.push(element("div", { class: "final" }, element("span", { class: "label" }, "Final answer"), final));
    }
    if (said(sample.reasoning)) {
      const title = `Reasoning · ${count(length(sample.reasoning))} characters`;
      parts.push(folded("reasoning", title, () => text(sample.reasoning, options), options.open));
    }
    if (said(sample.answer)) {
      parts.push(element("div", { class: "answer" }, text(sample.answer, options)));
    }
    if (sample.scores) parts.push(scores(sample.scores));
    return element("article", { class: `sample ${standing(sample)}` }, ...parts);
  }

  return { card, standing };
})();
