"use strict";
(() => {
  const data = JSON.parse(document.getElementById("evidence-data").textContent);
  const dialog = document.getElementById("evidence-dialog");
  const title = document.getElementById("evidence-title");
  const body = document.getElementById("evidence-body");
  let opener = null;

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const query = (heading, sql) => {
    const pre = element("pre", sql);
    pre.tabIndex = 0;
    pre.setAttribute("aria-label", heading);
    return [element("h3", heading), pre];
  };
  const sourceRows = (rows) => {
    const list = element("ul");
    for (const [file, row] of rows) list.append(element("li", `${data.files[file]} · row ${row}`));
    if (!rows.length) list.append(element("li", "no source row: nothing is recorded"));
    return list;
  };
  const patient = (position, trace) => {
    const key = data.patients[position];
    const found = trace && data.traces[trace] && data.traces[trace][position];
    if (!found) {
      return element("li", key, "key");
    }
    const item = element("details", undefined, "traced");
    const summary = element("summary");
    summary.append(element("span", key.slice(0, 12) + "…", "key"), " ", found[0]);
    item.append(summary, element("p", key, "key"), sourceRows(found[1]));
    return item;
  };
  const patients = (item) => {
    const set = data.sets[item.s];
    const parts = [element("h3", `Patients: ${set.n}`)];
    if (set.of.length < set.n) {
      parts.push(element("p", `The first ${set.of.length} of ${set.n} by key; the query gives all of them.`));
    }
    const traced = item.r && set.of.some((p) => data.traces[item.r] && data.traces[item.r][p]);
    if (traced) parts.push(element("p", "Open a patient for the source rows that decided the outcome."));
    const list = element(traced ? "div" : "ul", undefined, traced ? "" : "patients");
    for (const position of set.of) list.append(patient(position, item.r));
    parts.push(list, ...query("Query for these patients", set.q));
    return parts;
  };
  const open = (number, from) => {
    const item = data.items[number];
    if (!item) return;
    opener = from || null;
    title.textContent = item.t;
    body.replaceChildren(...query("Query for the number", item.q), ...(item.s === undefined ? [] : patients(item)));
    dialog.showModal();
    title.focus();
    dialog.scrollTop = 0;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.ev");
    if (button) open(Number(button.dataset.e), button);
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    if (opener) opener.focus();
  });
  const folded = [];
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details.group:not([open])")) {
      part.open = true;
      folded.push(part);
    }
  });
  window.addEventListener("afterprint", () => {
    for (const part of folded.splice(0)) part.open = false;
  });
})();
