// A board's page: its tables sort, and each comparison has its chart of intervals.
"use strict";
(() => {
  /** Let the columns of a table that is there sort: numbers where a cell begins with one. */
  function sortable(table) {
    const key = (row, index) => {
      const text = row.cells[index].textContent.trim();
      const number = Number.parseFloat(text.replaceAll(",", ""));
      return Number.isNaN(number) ? text : number;
    };
    [...table.tHead.rows[0].cells].forEach((head, index) => {
      head.setAttribute("scope", "col");
      const button = goGym.element("button", { type: "button" }, head.textContent || "verdict");
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const order = (a, b) => {
          const [x, y] = [key(a, index), key(b, index)];
          const same = typeof x === typeof y;
          return (
            (same ? (x < y ? -1 : x > y ? 1 : 0) : typeof x === "number" ? -1 : 1) * (down ? -1 : 1)
          );
        };
        table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
      });
    });
  }
  document.querySelectorAll(".report table").forEach(sortable);

  /** A chart with its title in a place; draw() fills it. */
  function figure(place, title, draw) {
    const chart = goGym.element("div", { class: "chart" });
    place.append(goGym.element("figure", {}, goGym.element("h2", {}, title), chart));
    draw(chart);
  }

  const DRAW = {
    bars: (chart, picture) => goGym.barsChart(chart, picture),
    curves: (chart, picture) =>
      goGym.curvesChart(
        chart,
        picture.agents.map(([name, value, curve], number) => ({ name, number, value, curve })),
        picture.label,
      ),
    intervals: (chart, picture) =>
      goGym.intervalChart(
        chart,
        picture.agents.map(([agent, middle, low, high]) => ({ agent, middle, low, high })),
        picture.label,
      ),
  };
  for (const picture of goGym.data.get("pictures")) {
    figure(document.getElementById("pictures"), picture.title, (chart) =>
      DRAW[picture.kind](chart, picture),
    );
  }

  const place = document.getElementById("charts");
  const board = goGym.data.get(place.dataset.key);
  for (const found of board.comparisons) {
    const rule = goGym.RULES[found.rule] || found.rule;
    const title = `${found.task}, ${rule}, ${found.clock ? "equal time" : "equal calls"}`;
    const ranked = goGym.ranked(found.summaries["|"].ranks, board.agents);
    figure(place, title, (chart) => goGym.rankingChart(chart, ranked, found.reference));
  }
})();
