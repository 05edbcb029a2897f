// What the pages share: data that scripts bring, elements, tables, charts, the address's hash.
"use strict";
const goGym = {
  data: new Map(),
  root: document.body.dataset.root,
  version: Number(document.body.dataset.version),

  /** Called by the scripts in data/, see go_gym/site/scripts.py. */
  add(key, value) {
    this.data.set(key, value);
  },

  /** The data under a key, after its script, if it has not run yet. */
  load(key, file) {
    if (this.data.has(key)) return Promise.resolve(this.data.get(key));
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${this.root}data/${file}`;
      script.onload = () => resolve(this.data.get(key));
      script.onerror = () => reject(new Error(`${file} is missing: was the site copied whole?`));
      document.head.append(script);
    });
  },

  /** An element with text and attributes; children may be texts, which stay texts. */
  element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== false)
        made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  },

  number(value, digits = 3) {
    return value === null || value === undefined ? "–" : value.toFixed(digits);
  },

  /** A time in ms, or a size in GB: as many digits as it needs. */
  amount(value, digits = 3) {
    if (value === null || value === undefined) return "–";
    return value >= 1 || value === 0 ? value.toFixed(digits) : String(Number(value.toPrecision(4)));
  },

  interval(middle, low, high, show = (value) => this.number(value)) {
    if (middle === null) return "–";
    return low === high ? show(middle) : `${show(middle)} [${show(low)}, ${show(high)}]`;
  },

  /** A colour or other word of the style sheet. */
  style(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  },

  /** Filters in the address: #board=table2&rule=fifo. */
  readHash() {
    return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  },
  writeHash(values) {
    const kept = Object.entries(values).filter(([, value]) => value !== "");
    history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
  },

  /** Fill a select; gives its value, the wanted one where there is such an option. */
  options(select, choices, wanted) {
    const value = choices.some(([each]) => each === wanted) ? wanted : (choices[0]?.[0] ?? "");
    select.replaceChildren(
      ...choices.map(([each, text]) => this.element("option", { value: each }, text)),
    );
    select.value = value;
    select.disabled = choices.length < 2;
    return value;
  },

  /**
   * A table whose columns sort. A column has title, value(row) for order and, where that is not
   * the text, text(row) or node(row); rows may have a look, the class of their line.
   */
  table(place, columns, rows, { sort = 0, down = false, most = 100, label = "" } = {}) {
    const state = { sort, down, most };
    const order = (a, b) => {
      const [x, y] = [columns[state.sort].value(a), columns[state.sort].value(b)];
      const [noX, noY] = [x === null || x === "", y === null || y === ""];
      if (noX || noY) return noX - noY; // what has no value is last either way
      return (x < y ? -1 : x > y ? 1 : 0) * (state.down ? -1 : 1);
    };
    const cell = (column, row, index) => {
      const inside = column.node
        ? column.node(row)
        : column.text
          ? column.text(row)
          : String(column.value(row) ?? "–");
      const look = column.words ? "text" : undefined;
      return index
        ? this.element("td", { class: look }, inside)
        : this.element("th", { scope: "row" }, inside);
    };
    const draw = (focus) => {
      const head = columns.map((column, index) => {
        const button = this.element("button", { type: "button" }, column.title);
        button.addEventListener("click", () => {
          state.down = state.sort === index && !state.down;
          state.sort = index;
          draw(index);
        });
        const sorted = index === state.sort ? (state.down ? "descending" : "ascending") : undefined;
        return this.element(
          "th",
          { scope: "col", "aria-sort": sorted, class: column.words ? "text" : undefined },
          button,
        );
      });
      const ordered = [...rows].sort(order);
      const lines = ordered
        .slice(0, state.most)
        .map((row) =>
          this.element(
            "tr",
            { class: row.look },
            ...columns.map((column, index) => cell(column, row, index)),
          ),
        );
      place.replaceChildren(
        this.element(
          "table",
          { "aria-label": label },
          this.element("thead", {}, this.element("tr", {}, ...head)),
          this.element("tbody", {}, ...lines),
        ),
      );
      if (rows.length > state.most) {
        const more = this.element(
          "button",
          { type: "button", class: "more" },
          `Show all ${rows.length} rows`,
        );
        more.addEventListener("click", () => {
          state.most = Infinity;
          draw();
        });
        place.append(more);
      }
      if (focus !== undefined) place.querySelectorAll("thead button")[focus].focus();
    };
    draw();
    this.reachable(place);
  },

  /** What scrolls sideways takes the keyboard's focus, so that arrows can scroll it. */
  reachable(place) {
    const scrolls = place.scrollWidth > place.clientWidth;
    if (scrolls) place.setAttribute("tabindex", "0");
    else place.removeAttribute("tabindex");
  },

  /** A chart that is drawn again when the theme or its width changes; option() describes it. */
  chart(place, option) {
    const old = echarts.getInstanceByDom(place);
    const made = old || echarts.init(place, null, { renderer: "canvas" });
    made.goGymOption = option;
    const draw = () => {
      const text = { color: this.style("text"), fontFamily: "system-ui, sans-serif" };
      made.setOption(
        {
          animation: false,
          backgroundColor: "transparent",
          textStyle: text,
          aria: { enabled: true },
          ...made.goGymOption(),
        },
        true,
      );
    };
    if (!old) {
      addEventListener("theme", draw);
      new ResizeObserver(() => {
        made.resize();
        draw();
      }).observe(place);
    }
    made.resize();
    draw();
    return made;
  },

  /** The columns that say how good a result is. */
  quality(reference) {
    return [
      {
        title: `/ ${reference}`,
        value: (row) => row.ratio,
        text: (row) => this.number(row.ratio),
      },
      {
        title: "above lower bound",
        value: (row) => row.gap,
        text: (row) => (row.gap === null ? "–" : `${(row.gap * 100).toFixed(1)} %`),
      },
      { title: "peak memory, GB", value: (row) => row.gb, text: (row) => this.amount(row.gb) },
      {
        title: "seeds valid",
        value: (row) => row.valid,
        text: (row) => `${row.valid} of ${row.seeds}`,
      },
    ];
  },

  /** Room for a chart, and the names above it. */
  legend(names) {
    const text = { color: this.style("text") };
    return {
      grid: { left: 8, right: 16, top: 40, bottom: 8, outerBoundsMode: "same" },
      legend: { type: "scroll", top: 0, textStyle: text, pageTextStyle: text, data: names },
    };
  },

  /** The look of a tooltip, and of an axis, in the page's colours. */
  tooltip() {
    return {
      confine: true,
      backgroundColor: this.style("page"),
      borderColor: this.style("line"),
      textStyle: { color: this.style("text") },
    };
  },
  axis(more) {
    const line = { lineStyle: { color: this.style("line") } };
    return {
      axisLine: line,
      splitLine: line,
      axisTick: { show: false },
      nameGap: 28,
      nameLocation: "middle",
      nameTextStyle: { color: this.style("quiet") },
      ...more,
      axisLabel: { color: this.style("text"), ...more.axisLabel },
    };
  },
};
