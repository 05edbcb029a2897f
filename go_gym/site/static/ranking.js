// Agents in order, each with its interval.
"use strict";
goGym.RULES = {
  fifo: "first in, first out",
  "critical-path": "critical path",
  own: "the agent's own",
  best: "each agent's best",
};

/** The rows of a ranking: what the numbers of go_gym/site/data.py (RANK) are. */
goGym.ranked = (ranks, agents) =>
  ranks.map(([agent, middle, low, high, over, overLow, overHigh, leads, valid]) => ({
    agent: agents[agent],
    number: agent,
    middle,
    low,
    high,
    over,
    overLow,
    overHigh,
    leads,
    valid,
  }));

/** The chart of those that are ranked, the best on top. */
goGym.rankingChart = (place, ranked, reference) =>
  goGym.intervalChart(place, ranked, `step time / ${reference}, lower is better`, 1);

/** Estimates with their intervals, the lowest on top, and a line at a value of note. */
goGym.intervalChart = (place, ranked, label, noted) => {
  const shown = ranked.filter((each) => each.middle !== null).sort((a, b) => a.middle - b.middle);
  place.style.height = `${70 + 28 * Math.max(shown.length, 1)}px`;
  goGym.chart(place, () => {
    const [strong, accent] = [goGym.style("strong"), goGym.style("accent")];
    const colour = (index) => (shown[index].leads ? strong : accent);
    const most = place.clientWidth < 500 ? 20 : 60; // letters of a name
    const names = shown.map((each) => each.agent);
    return {
      aria: {
        enabled: true,
        label: {
          description:
            `${label}, best first: ` +
            shown
              .map((each) => `${each.agent} ${goGym.interval(each.middle, each.low, each.high)}`)
              .join("; "),
        },
      },
      grid: { left: 8, right: 24, top: 8, bottom: 8, outerBoundsMode: "same" },
      tooltip: {
        ...goGym.tooltip(),
        formatter: ({ dataIndex }) => {
          const each = shown[dataIndex];
          return goGym.element(
            "div",
            {},
            goGym.element("b", {}, each.agent),
            goGym.element("br"),
            goGym.interval(each.middle, each.low, each.high),
          );
        },
      },
      xAxis: goGym.axis({
        type: "value",
        scale: true,
        splitNumber: place.clientWidth < 500 ? 3 : 6,
        name: label,
      }),
      yAxis: goGym.axis({
        type: "category",
        inverse: true,
        data: names,
        splitLine: { show: false },
        axisLabel: {
          formatter: (name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name),
        },
      }),
      series: [
        {
          type: "custom",
          name: "95 % interval",
          data: shown.map((each, index) => [each.low, index, each.high]),
          encode: { x: [0, 2], y: 1 },
          silent: true,
          renderItem: (params, api) => {
            const [left, y] = api.coord([api.value(0), api.value(1)]);
            const [right] = api.coord([api.value(2), api.value(1)]);
            if (right - left < 1) return { type: "group", children: [] };
            const style = { stroke: colour(params.dataIndex), lineWidth: 2 };
            const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
            return {
              type: "group",
              children: [
                line(left, y, right, y),
                line(left, y - 5, left, y + 5),
                line(right, y - 5, right, y + 5),
              ],
            };
          },
        },
        {
          type: "scatter",
          name: "interquartile mean",
          symbolSize: 10,
          data: shown.map((each, index) => ({
            value: [each.middle, index],
            itemStyle: { color: colour(index) },
          })),
          markLine: {
            silent: true,
            symbol: "none",
            label: { show: false },
            data: noted === undefined ? [] : [{ xAxis: noted }],
            lineStyle: { color: goGym.style("quiet"), type: "dashed" },
          },
        },
      ],
    };
  });
};
