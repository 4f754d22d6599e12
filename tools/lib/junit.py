"""JUnit reports of tools/test: writes one for a plain command, sums all of them up.

  junit.py one FILE SUITE NAME STATUS     a report of one case
  junit.py sum DIR                        prints failures and `N passed, N failed, N skipped`; exit 1 on failures
"""

import glob
import os
import sys
import xml.etree.ElementTree as ET


def one(path, suite, name, status):
    failed = status != "0"
    root = ET.Element("testsuite", name=suite, tests="1", failures=str(int(failed)))
    case = ET.SubElement(root, "testcase", classname=suite, name=name)
    if failed:
        ET.SubElement(case, "failure", message=f"exit status {status}")
    ET.ElementTree(root).write(path)


def passed_again(path):
    """The cases that failed in this report and passed in its second run (REPORT.again)."""
    try:
        cases = ET.parse(path[:-4] + ".again").iter("testcase")
    except (OSError, ET.ParseError):
        return set()
    return {(c.get("classname"), c.get("name")) for c in cases
            if all(c.find(tag) is None for tag in ("failure", "error", "skipped"))}


def total(directory):
    passed = failed = skipped = 0
    for path in sorted(glob.glob(os.path.join(directory, "*.xml"))):
        report = os.path.basename(path)[:-4]
        try:
            cases = list(ET.parse(path).iter("testcase"))
        except ET.ParseError:
            print(f"FAILED {report}: its report cannot be read")
            failed += 1
            continue
        if not cases:
            print(f"FAILED {report}: no test ran")
            failed += 1
        counts = [0, 0, 0]
        second = passed_again(path)
        for case in cases:
            name = f"{report}: {case.get('name')}"
            if (case.get("classname"), case.get("name")) in second:
                counts[0] += 1
                print(f"flaky {name}: passed when run again")
            elif case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
                counts[1] += 1
                print(f"FAILED {name}")
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                counts[2] += 1
                why = case.find("skipped")
                print(f"skipped {name}: {(why.get('message') or '') if why is not None else ''}"[:200])
            else:
                counts[0] += 1
        print(f"{report}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if sys.argv[1] == "one":
        one(*sys.argv[2:6])
    else:
        sys.exit(total(sys.argv[2]))
