// Groups of bars, the paper's figures as marks over them.
"use strict";
/** Draw a picture of groups, bars and marks, see go_gym/site/pictures.py. */
goGym.barsChart = (place, picture) => {
  place.style.height = "24rem";
  const names = picture.bars.map(([name]) => name);
  const slots = [...new Set([...names, ...picture.marks.map(([name]) => name)])];
  const width = 0.8 / slots.length;
  const text = (value) => (value === null ? "none" : goGym.number(value));
  const tell = (who, index, value) =>
    goGym.element(
      "div",
      {},
      goGym.element("b", {}, who),
      goGym.element("br"),
      `${picture.groups[index]}: ${text(value)}`,
    );
  goGym.chart(place, () => ({
    aria: {
      enabled: true,
      label: {
        description:
          `${picture.label}: ` +
          picture.bars
            .map(([name, values]) => `${name} ${values.map(text).join(", ")}`)
            .join("; ") +
          `; on ${picture.groups.join(", ")}`,
      },
    },
    ...goGym.legend([...names, ...(picture.marks.length ? ["the paper's"] : [])]),
    tooltip: {
      ...goGym.tooltip(),
      formatter: ({ data }) => tell(data.who, data.group, data.shown),
    },
    xAxis: goGym.axis({
      type: "category",
      data: picture.groups,
      axisLabel: { interval: 0, rotate: picture.groups.length > 3 ? 30 : 0 },
    }),
    yAxis: goGym.axis({ type: "value", name: picture.label, nameGap: 50 }),
    series: [
      ...picture.bars.map(([name, values]) => ({
        type: "bar",
        name,
        barCategoryGap: "20%",
        barGap: "0%",
        itemStyle: { color: goGym.colour(slots.indexOf(name)) },
        data: values.map((value, group) => ({ value, who: name, group, shown: value })),
      })),
      ...picture.marks.map(([name, values]) => ({
        type: "custom",
        name: "the paper's",
        z: 5,
        itemStyle: { color: goGym.style("text") },
        data: values
          .map((value, group) => ({
            value: [group, value],
            who: `${name}, the paper's`,
            group,
            shown: value,
          }))
          .filter(({ shown }) => shown !== null),
        renderItem: (params, api) => {
          const [middle, y] = api.coord([api.value(0), api.value(1)]);
          const one = api.size([1, 0])[0] * width;
          const x = middle + one * (slots.indexOf(name) - (slots.length - 1) / 2);
          return {
            type: "line",
            shape: { x1: x - one / 2, x2: x + one / 2, y1: y, y2: y },
            style: { stroke: goGym.style("text"), lineWidth: 3 },
          };
        },
      })),
    ],
  }));
};
