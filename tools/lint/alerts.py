"""Alert rules, their pages and their cases hold together. Exits 1 on any breach.

- promtool takes deploy/prometheus/rules.yaml, and every alert fires and stays silent as cases.yaml says;
- every metric that a rule or a runbook names is made somewhere in the code;
- every alert has its page in docs/runbooks, every page its alert.

The judges prove themselves first: a metric that nobody makes, a page without an alert and a case that is wrong must
each be found.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
PROMETHEUS, RUNBOOKS = TOP / "deploy" / "prometheus", TOP / "docs" / "runbooks"
METRIC = re.compile(r"\bflattone_[a-z0-9_]+")
SUFFIXES = ("_bucket", "_sum", "_count")


def made_metrics():
    """Every name in quotes in the code that is not a test's."""
    found = set()
    for folder in ("libs", "services"):
        for path in (TOP / folder).rglob("*.[ch]*"):
            if path.suffix in (".cc", ".h") and not path.stem.endswith("_test"):
                found |= set(re.findall(r'"(flattone_[a-z0-9_]+)"', path.read_text()))
    return found


def unknown_metrics(text, made):
    names = set(METRIC.findall(text))
    return sorted(n for n in names if n not in made and not any(n.endswith(s) and n.removesuffix(s) in made for s in SUFFIXES))


def page_problems(alerts, pages):
    return [f"alert {a} has no docs/runbooks/{a}.md" for a in sorted(alerts - pages)] + \
           [f"docs/runbooks/{p}.md belongs to no alert" for p in sorted(pages - alerts)]


def tests_of(rules, cases):
    """promtool's test file from the cases: for each alert one test that fires and one that does not."""
    tests = []
    for name, case in cases.items():
        rule = rules[name]
        alert = {"exp_labels": {"severity": rule["labels"]["severity"], **case.get("labels", {"instance": "a"})}, "exp_annotations": rule["annotations"]}
        for kind, expected in (("fires", [alert]), ("silent", [])):
            tests.append({"interval": "1m", "name": f"{name} {kind}",
                          "input_series": [{"series": s, "values": v} for s, v in case[kind].items()],
                          "alert_rule_test": [{"eval_time": f"{case.get('at', 14)}m", "alertname": name, "exp_alerts": expected}]})
    return {"rule_files": [str(PROMETHEUS / "rules.yaml")], "evaluation_interval": "1m", "tests": tests}


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def case_problems(rules, cases):
    with tempfile.TemporaryDirectory() as work:
        path = pathlib.Path(work) / "tests.yaml"
        path.write_text(yaml.safe_dump(tests_of(rules, cases)))
        status, output = promtool("test", "rules", path)
    return [] if status == 0 else [output]


def self_test(rules, cases, made):
    """What the judges must find."""
    planted = {
        "a metric that nobody makes": unknown_metrics("rate(flattone_relay_no_such_total[5m])", made),
        "an alert without a page": page_problems({"A"}, set()),
        "a page without an alert": page_problems(set(), {"A"}),
    }
    name = next(iter(cases))
    planted["a case that is wrong"] = case_problems(rules, {name: {**cases[name], "fires": cases[name]["silent"]}})
    return [f"alerts.py does not find {what}" for what, found in planted.items() if not found]


def main():
    text = (PROMETHEUS / "rules.yaml").read_text()
    rules = {r["alert"]: r for g in yaml.safe_load(text)["groups"] for r in g["rules"]}
    cases, made = yaml.safe_load((PROMETHEUS / "cases.yaml").read_text()), made_metrics()
    problems = self_test(rules, cases, made)
    status, output = promtool("check", "rules", PROMETHEUS / "rules.yaml")
    if status != 0:
        problems.append(output)
    pages = {p.stem for p in RUNBOOKS.glob("*.md")} - {"README"}
    problems += page_problems(set(rules), pages)
    problems += [f"{a}: annotation runbook is not docs/runbooks/{a}.md" for a, r in rules.items() if r["annotations"]["runbook"] != f"docs/runbooks/{a}.md"]
    problems += [f"alert {a} has no case in cases.yaml" for a in sorted(set(rules) ^ set(cases))]
    for path in [PROMETHEUS / "rules.yaml", *sorted(RUNBOOKS.glob("*.md"))]:
        problems += [f"{path.relative_to(TOP)}: nobody makes the metric {n}" for n in unknown_metrics(path.read_text(), made)]
    if not problems:
        problems += case_problems(rules, cases)
    print("\n".join(problems) or f"{len(rules)} alerts, {2 * len(cases)} cases")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
