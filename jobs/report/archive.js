// The samples in the page: an index, and blocks of texts that are inflated when they are looked at.
"use strict";

const Archive = (() => {
  const CACHED = 40; // blocks, of 0.4 million characters each
  const packed = (id) => document.getElementById(id).textContent;

  async function unpacked(base64) {
    const bytes = Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // The last few stay.
  const blocks = new Map();
  function block(number) {
    const found = blocks.get(number) ?? unpacked(packed(`block-${number}`));
    blocks.delete(number);
    blocks.set(number, found);
    if (blocks.size > CACHED) blocks.delete(blocks.keys().next().value);
    return found;
  }

  // Prompts as objects: {number, id, title, rate, domain, source, samples: [{index, fate, kept,
  // published}], block, place}. Fates, domains and sources are numbers of names in the index.
  function promptsOf({ prompts: own, samples, blocks: sizes }) {
    let sample = 0;
    let place = 0;
    let number = 0;
    return own.id.map((id, i) => {
      if (place === sizes[number]) [place, number] = [0, number + 1];
      const mine = [];
      for (let j = 0; j < own.samples[i]; j++, sample++) {
        mine.push({
          index: samples.index[sample],
          fate: samples.fate[sample],
          kept: samples.kept[sample],
          published: samples.published[sample],
        });
      }
      const at = { block: number, place: place++, number: i };
      const made = { id, title: own.title[i], rate: own.pass_rate[i], domain: own.domain[i], source: own.source[i] };
      return { ...made, ...at, samples: mine };
    });
  }

  async function open() {
    const index = await unpacked(packed("index"));
    return { index, prompts: promptsOf(index) };
  }

  // Whether a text, or what is there of it, has these letters, which are small ones.
  function has(text, sought) {
    if (text === null || text === undefined) return false;
    const parts = typeof text === "string" ? [text] : [text[0], text[2]];
    return parts.some((part) => part.toLowerCase().includes(sought));
  }

  // The places of a prompt's samples that have them, or null where the prompt itself has.
  function where(prompt, sought) {
    if (has(prompt.prompt, sought) || has(prompt.reference, sought)) return null;
    const names = ["final_answer", "answer", "reasoning", "failure"];
    return [...prompt.samples.keys()].filter((place) => names.some((name) => has(prompt.samples[place][name], sought)));
  }

  // How often each number is there.
  function counted(numbers) {
    const counts = [];
    for (const number of numbers) counts[number] = (counts[number] ?? 0) + 1;
    return counts;
  }

  return { open, block, has, where, counted };
})();
