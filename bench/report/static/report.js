"use strict";

// Everything can be read without this script: it sorts, filters, and unpacks figures and files.

function announce(text) {
  document.getElementById("announcements").textContent = text;
}

function all(selector, root = document) {
  return Array.from(root.querySelectorAll(selector));
}

// sorting

// Cells without a number, such as failures, come last in either direction.
function numberOf(cell) {
  return "value" in cell.dataset ? Number(cell.dataset.value) : NaN;
}

function compared(column, numeric, direction) {
  const sign = direction === "descending" ? -1 : 1;
  return (a, b) => {
    const [x, y] = [a.cells[column], b.cells[column]];
    if (!numeric) {
      const order = x.textContent.trim().localeCompare(y.textContent.trim(), "en", { numeric: true });
      return sign * order || a.dataset.place - b.dataset.place;
    }
    const [u, v] = [numberOf(x), numberOf(y)];
    if (Number.isNaN(u) || Number.isNaN(v)) {
      return Number.isNaN(u) - Number.isNaN(v) || a.dataset.place - b.dataset.place;
    }
    return sign * (u - v) || a.dataset.place - b.dataset.place;
  };
}

// Best first, then worst first, then as the suite has them.
function nextDirection(head) {
  const first = head.textContent.includes("\u2191") ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const now = head.getAttribute("aria-sort");
  if (now === null) return first;
  return now === first ? second : null;
}

function sort(table, head, column, numeric) {
  const direction = nextDirection(head);
  for (const other of all("thead [aria-sort]", table)) other.removeAttribute("aria-sort");
  if (direction) head.setAttribute("aria-sort", direction);
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  rows.sort(
    direction
      ? compared(column, numeric, direction)
      : (a, b) => a.dataset.place - b.dataset.place,
  );
  body.append(...rows);
  const name = head.textContent.trim();
  announce(direction ? `sorted by ${name}, ${direction}` : "in the order of the suite");
}

function makeSortable(table) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) return;
  Array.from(body.rows).forEach((row, place) => (row.dataset.place = place));
  Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const numeric = column > 0 && !body.rows[0].cells[column].classList.contains("words");
    button.addEventListener("click", () => sort(table, head, column, numeric));
  });
}

// Heads such as recall[items=5,noise=0] may fold where a reader expects it.
function letFold(head) {
  const pieces = head.textContent.split(/(?<=[\[,_=/:])/);
  if (head.childElementCount || pieces.length < 2 || /\s/.test(head.textContent)) return;
  head.replaceChildren(
    ...pieces.flatMap((piece, i) => (i ? [document.createElement("wbr"), piece] : [piece])),
  );
}

// filtering

function fitting(rows, memory, text) {
  return rows.filter((row) => {
    const names = Array.from(row.cells).flatMap((cell) => {
      const name = cell.textContent.trim();
      return [name, ...name.split(" - ")];
    });
    const named = !memory || names.includes(memory);
    return named && (!text || row.textContent.toLowerCase().includes(text));
  });
}

// While the tables are narrowed down those that still have rows are open; then as they were.
function disclose(board, narrowed) {
  if (narrowed) {
    board.dataset.before ??= String(board.open);
    board.open = true;
  } else if (board.dataset.before) {
    board.open = board.dataset.before === "true";
    delete board.dataset.before;
  }
}

function filter(form) {
  const text = form.querySelector("#filter-text").value.trim().toLowerCase();
  const memory = form.querySelector("#filter-memory").value;
  const task = form.querySelector("#filter-task").value;
  const narrowed = Boolean(text || memory || task);
  let shown = 0;
  let total = 0;
  for (const board of all(".board[data-task]")) {
    const rows = all("tbody tr", board);
    const here = new Set(fitting(rows, memory, text));
    for (const row of rows) row.hidden = !here.has(row);
    const off = Boolean(task) && board.dataset.task !== task;
    board.hidden = off || here.size === 0;
    disclose(board, narrowed && !board.hidden);
    // the leaderboard is the first of its tables: others list the same memories again
    const own = all("tbody tr", board.querySelector("table"));
    const left = own.filter((row) => here.has(row)).length;
    board.querySelector("[data-rows]").textContent =
      left === own.length ? `${left} rows` : `${left} of ${own.length} rows`;
    total += own.length;
    shown += off ? 0 : left;
  }
  document.getElementById("filter-count").textContent = narrowed
    ? `${shown} of ${total} rows fit`
    : "";
}

function startFilters(form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => filter(form));
  // a reset clears the fields only after its event
  form.addEventListener("reset", () => setTimeout(() => filter(form), 0));
  for (const button of all("[data-open]", form)) {
    button.addEventListener("click", () => {
      for (const board of all(".board[data-task]")) board.open = button.dataset.open === "true";
    });
  }
  filter(form);
}

// downloads

function bytesOf(uri) {
  const binary = atob(uri.slice(uri.indexOf(",") + 1));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

async function unpacked(link) {
  const packed = new Blob([bytesOf(link.getAttribute("href"))]);
  const plain = packed.stream().pipeThrough(new DecompressionStream("gzip"));
  const content = await new Response(plain).blob();
  return new Blob([content], { type: link.dataset.type });
}

async function save(link) {
  const target = document.createElement("a");
  target.href = URL.createObjectURL(await unpacked(link));
  target.download = link.dataset.name;
  target.click();
  setTimeout(() => URL.revokeObjectURL(target.href), 60000);
}

// Where a browser cannot unpack, links save what is packed and figures stay links.
async function startFiles() {
  if (typeof DecompressionStream === "undefined") return;
  for (const link of all("a[data-name]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      save(link);
    });
  }
  for (const figure of all("figure")) {
    const picture = figure.querySelector("img");
    picture.src = URL.createObjectURL(await unpacked(figure.querySelector("a[data-name]")));
    picture.hidden = false;
  }
}

// what a reader meets

// A container that does not scroll is no stop of the Tab key, and its head may stick to the page.
function watchScrollers() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) fit(target);
  });
  for (const scroller of all(".scroll")) observer.observe(scroller);
}

function fit(scroller) {
  const content = scroller.firstElementChild;
  const fits = content.scrollWidth <= scroller.clientWidth + 1;
  scroller.classList.toggle("fits", fits && content.tagName === "TABLE");
  if (fits) scroller.removeAttribute("tabindex");
  else scroller.setAttribute("tabindex", "0");
}

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
  }
}

function markCurrent() {
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-20% 0px -75% 0px" },
  );
  for (const section of all("main > section")) observer.observe(section);
}

function printWhole() {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
}

all("main thead th").forEach(letFold);
all("main table").forEach(makeSortable);
all("form[data-needs-script]").forEach(startFilters);
startFiles();
watchScrollers();
markCurrent();
printWhole();
openTarget();
addEventListener("hashchange", openTarget);
