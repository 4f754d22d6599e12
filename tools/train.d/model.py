"""LightGBM's trees as the tables of services/dtmf-masking/detect/tone_model.inc, and the gates that end early."""

import numpy as np

DEPTH = 5
NODES = 2 ** DEPTH - 1


def float_below(value):
    """The largest float32 that is not above a double: `x <= value` means the same for every float32 x."""
    f = np.float32(value)
    return f if float(f) <= value else np.nextafter(f, np.float32(-np.inf))


def _fill(node, at, level, tree):
    if level == DEPTH:
        tree["leaf"][at - NODES] = node["leaf_value"]
        return
    if "leaf_value" in node:  # a leaf higher up: both ways lead to it
        tree["feature"][at], tree["threshold"][at] = 0, np.float32(0)
        left = right = node
    else:
        assert node["decision_type"] == "<=" and node["missing_type"] == "None", node
        tree["feature"][at], tree["threshold"][at] = node["split_feature"], float_below(node["threshold"])
        left, right = node["left_child"], node["right_child"]
    _fill(left, 2 * at + 1, level + 1, tree)
    _fill(right, 2 * at + 2, level + 1, tree)


def trees(booster):
    out = []
    for info in booster.dump_model()["tree_info"]:
        tree = {"feature": np.zeros(NODES, np.uint8), "threshold": np.zeros(NODES, np.float32), "leaf": np.zeros(NODES + 1, np.float32)}
        _fill(info["tree_structure"], 0, 0, tree)
        out.append(tree)
    return out


def partial(forest, x):
    """Margins after each tree, for choosing gates: [trees, rows]."""
    rows = np.arange(len(x))
    total = np.zeros(len(x), np.float32)
    out = np.empty((len(forest), len(x)), np.float32)
    for t, tree in enumerate(forest):
        node = np.zeros(len(x), np.int64)
        for _ in range(DEPTH):
            node = 2 * node + 1 + (x[rows, tree["feature"][node]] > tree["threshold"][node])
        total = total + tree["leaf"][node - NODES]
        out[t] = total
    return out


def gates(forest, x, start, go_on, after=(4, 8, 16, 32, 64, 128), lost=4e-4):
    """Of the hops that all trees would keep on, at most `lost` are given up at a gate; of those that they would not
    begin a mask for, as few are let through."""
    margins = partial(forest, x)
    final = margins[-1]
    keep, drop = np.flatnonzero(final > go_on), np.flatnonzero(final < start)
    out = []
    for t in after:
        if t < len(forest):
            out.append((t, float(np.quantile(margins[t - 1][keep], lost)), float(np.quantile(margins[t - 1][drop], 1 - lost))))
    return out


def number(value):
    text = f"{float(value):.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


def write(path, forest, chosen_gates, start, go_on, note):
    lines = [f"// {line}" for line in note]
    lines += [f"constexpr float kStart = {number(start)}, kGoOn = {number(go_on)};"]
    lines += ["constexpr Gate kGates[] = {" + ", ".join(f"{{{t}, {number(a)}, {number(b)}}}" for t, a, b in chosen_gates) + "};"]
    lines += ["constexpr Tree kTrees[] = {"]
    for tree in forest:
        lines.append(" {{" + ",".join(str(int(f)) for f in tree["feature"]) + "},\n  {" + ",".join(number(v) for v in tree["threshold"]) +
                     "},\n  {" + ",".join(number(np.float32(v)) for v in tree["leaf"]) + "}},")
    lines += ["};", ""]
    path.write_text("\n".join(lines))
