"""The words in the repo hold together: every relative link leads somewhere, every page is linked from another,
every command named in the README exists. Exits 1 on any breach."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
ROOTS = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md"}


def main():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    pages = [p for p in listed.split("\n") if p]
    problems, linked = [], set()
    for root in sorted(ROOTS):
        if root not in pages:
            problems.append(f"{root} is missing")
    for page in pages:
        text = (TOP / page).read_text()
        for target in LINK.findall(text):
            if "://" in target or target.startswith("mailto:"):
                continue
            path = (TOP / page).parent.joinpath(target).resolve()
            if not path.exists():
                problems.append(f"{page}: link to {target}, which does not exist")
            else:
                linked.add(path)
    for page in pages:
        # A folder's README is found by being there; a page under docs/ has to be linked.
        if page.startswith("docs/") and (TOP / page).resolve() not in linked:
            problems.append(f"{page}: no page links it")
    readme = (TOP / "README.md").read_text() if "README.md" in pages else ""
    for command in set(re.findall(r"`(tools/[\w.-]+)", readme)):
        if not (TOP / command).exists():
            problems.append(f"README.md names {command}, which does not exist")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
