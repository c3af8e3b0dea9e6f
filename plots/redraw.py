"""Redraws the figures of `offing report --figures svg` from their CSV files: python redraw.py FIGURES OUT"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

SERIES = ["#2E86C8", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A"]
PARTS = {"prepare": "#E69F00", "uplink": "#56B4E9", "queue": "#D55E00", "process": "#009E73", "downlink": "#CC79A7"}
plt.rcParams.update({"font.size": 9, "axes.grid": True, "grid.color": "#c8ced6", "axes.axisbelow": True,
                     "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
                     "axes.prop_cycle": plt.cycler(color=SERIES)})


MARKS = {"misses a requirement": ("#8A8A8A", "x", 8), "feasible": ("#2E86C8", "o", 8), "on the front": ("#009E73", "o", 18),
         "on the shortlist": ("#D55E00", "D", 40), "measured": ("#CC79A7", "s", 30)}


def front(data, axes):
    for mark, (color, marker, size) in MARKS.items():
        rows = data[data.mark == mark]
        if len(rows):
            axes.scatter(rows.x, rows.y, color=color, marker=marker, s=size, label=mark)
    for row in data.dropna(subset="deployment").itertuples():
        axes.annotate(row.deployment, (row.x, row.y), xytext=(5, 5), textcoords="offset points")
    for values, name in ((data.x, "x"), (data.y, "y")):
        if values.min() > 0 and values.max() >= 20 * values.min():
            axes.set(**{f"{name}scale": "log"})
    axes.set(xlabel=data.x_metric.iloc[0], ylabel=data.y_metric.iloc[0])
    axes.legend()


def parts(data, axes):
    wide = data.pivot(index="row", columns="part", values="mean_ms").loc[data.row.unique()[::-1], list(PARTS)]
    wide.plot.barh(stacked=True, ax=axes, color=PARTS, width=0.72)
    total = data.dropna(subset="low_ms").set_index("row").reindex(wide.index)
    axes.hlines(range(len(wide)), total.low_ms, total.high_ms, color="black")
    axes.set(xlabel="mean latency (ms)", ylabel="")


def heatmap(data, axes):
    wide = data.pivot(index="cores", columns="network_latency", values="latency_ms")
    wide = wide.sort_index(ascending=False)[data.network_latency.unique()]
    axes.grid(False)
    axes.figure.colorbar(axes.imshow(wide, aspect="auto", cmap="viridis_r"), label="latency (ms)")
    axes.set(xticks=range(wide.shape[1]), xticklabels=wide.columns, yticks=range(wide.shape[0]), yticklabels=wide.index,
             xlabel="network delay (one way)", ylabel="cores")


def lines(value, low, high, label, level=None):
    def draw(data, axes):
        for target, of_target in data.groupby("target"):
            axes.plot(of_target.endpoints_per_target, of_target[value], marker="o", label=target)
            axes.fill_between(of_target.endpoints_per_target, of_target[low], of_target[high], alpha=0.18)
        if level:
            axes.axhline(level, color="#D55E00", linestyle="--")
        axes.set(xlabel="endpoints per target node", ylabel=label, yscale="log")
        axes.legend()
    return draw


def distribution(share, label, scale):
    def draw(data, axes):
        for colour, (deployment, rows) in zip(SERIES, data.groupby("deployment")):
            for _, run in rows[rows.kind == "measured"].groupby("run"):
                run = run[run[share] > 0]
                axes.plot(run.latency_ms, run[share], color=colour, linewidth=1)
            dots = rows[rows.kind == "predicted"]
            axes.scatter(dots.latency_ms, dots[share], color=colour, zorder=3, label=deployment)
        axes.set(xlabel="latency (ms)", ylabel=label, yscale=scale)
        axes.legend(title="deployment (dots: predicted)")
    return draw


def bars(row, value, series, label):
    def draw(data, axes):
        wide = data.pivot(index=row, columns=series, values=value).loc[data[row].unique()[::-1]]
        wide.plot.barh(ax=axes)
        axes.set(xlabel=label, ylabel="")
    return draw


def calibration(data, axes):
    for metric, rows in data.groupby("metric"):
        axes.errorbar(rows.measured_ms, rows.predicted_ms, fmt="o", label=metric,
                      xerr=[rows.measured_ms - rows.measured_low_ms, rows.measured_high_ms - rows.measured_ms],
                      yerr=[rows.predicted_ms - rows.predicted_low_ms, rows.predicted_high_ms - rows.predicted_ms])
    axes.axline((data.measured_ms.mean(), data.measured_ms.mean()), slope=1, color="grey", linestyle="--")
    axes.set(xlabel="measured (ms)", ylabel="predicted (ms)")
    axes.legend()


def validation(data, axes):
    for metric, rows in data.groupby("metric"):
        spread = [(rows.predicted_ms - rows.predicted_low_ms).clip(lower=0), (rows.predicted_high_ms - rows.predicted_ms).clip(lower=0)]
        axes.errorbar(rows.measured_ms, rows.predicted_ms, yerr=spread, fmt="o", markersize=3, linewidth=1, label=metric)
    axes.axline((1, 1), slope=1, color="grey", linestyle="--")
    axes.set(xlabel="measured (ms)", ylabel="predicted (ms)", xscale="log", yscale="log")
    axes.legend()


def answer(data, axes):
    for series, rows in data.groupby("series"):
        rows = rows.sort_values("value")
        axes.plot(rows.value, rows.metric, marker="o", markersize=3, label=series)
        axes.fill_between(rows.value, rows.low, rows.high, alpha=0.2)
    axes.set(xlabel="value of the key", ylabel="metric")
    axes.legend()


FIGURES = {
    "front": front,
    "parts": parts,
    "heatmap": heatmap, "heatmap_2": heatmap, "heatmap_3": heatmap,
    "load": lines("load_percent", "low_percent", "high_percent", "load (%)", level=100),
    "latency_by_endpoints": lines("latency_ms", "low_ms", "high_ms", "latency (ms)"),
    "distribution": distribution("share", "share of requests", "linear"),
    "tail": distribution("missing_share", "share that takes longer", "log"),
    "sensitivity": bars("axis", "share_percent", "metric", "explained by this setting alone (%)"),
    "calibration": calibration, "validation": validation,
    "answer": answer,
    "utilization": bars("row", "utilization_percent", "tier", "processor use (%)"),
    "energy": bars("row", "energy_j_per_request", "tier", "energy per request (J)"),
}


def main():
    folder, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.csv")):
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        FIGURES[path.stem](pd.read_csv(path), axes)
        figure.savefig(out / f"{path.stem}.svg")
        plt.close(figure)
        print(out / f"{path.stem}.svg")


if __name__ == "__main__":
    main()
